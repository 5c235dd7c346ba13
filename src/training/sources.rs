//! Reads public data sets as the recipe says and turns their labels into ours. Texts that a row holds twice, that are
//! too short or too long, or whose label the recipe does not map, are left out and counted.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::recipe::{Auxiliary, Format, PairSource, Source};
use super::target::{Row, Target};
use super::{Shuffle, TrainError, file};

/// What became of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The rows that take part.
    pub rows: Vec<Row>,
    /// Rows read.
    pub read: usize,
    /// Labels seen that the recipe does not map, with their rows.
    pub unmapped: HashMap<String, usize>,
}

/// Reads a source. The order of the rows depends on `seed` only.
pub fn read(data: &Path, source: &Source, seed: u64) -> Result<Taken, TrainError> {
    let mut pairs = read_cells(data, &source.files, &source.format)?;
    put_aside(&mut pairs, source.aside);
    let read = pairs.len();
    let seen_labels: HashSet<&str> = pairs.iter().flat_map(|(_, label)| parts(source, label)).collect();
    if let Some(unseen) = source.map.keys().find(|label| !seen_labels.contains(label.as_str())) {
        let reason = format!("the recipe maps `{unseen}`, which no row of {} has", source.name);
        return Err(TrainError::content(data, reason));
    }
    Shuffle::new(seed).shuffle(&mut pairs);
    let mut taken = Taken { rows: Vec::new(), read, unmapped: HashMap::new() };
    let mut by_label: HashMap<String, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for (text, label) in pairs {
        if taken.rows.len() >= source.limit.unwrap_or(usize::MAX) {
            break;
        }
        let words = text.split_whitespace().count();
        if words < source.min_words || words > source.max_words || !seen.insert(text.to_lowercase()) {
            continue;
        }
        let count = by_label.entry(label.clone()).or_default();
        if *count >= source.per_label.unwrap_or(usize::MAX) {
            continue;
        }
        match target(source, &label)
            .map_err(|reason| TrainError::content(&data.join(&source.name), reason))?
        {
            Some(target) => {
                *count += 1;
                taken.rows.push(Row { text, target, weight: source.weight });
            }
            None => *taken.unmapped.entry(label).or_default() += 1,
        }
    }
    Ok(taken)
}

/// A data set whose labels stay as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The labels, sorted.
    pub labels: Vec<String>,
    /// Texts and the indices of their labels.
    pub rows: Vec<(String, usize)>,
}

/// Reads a set with its own labels. The order of the rows depends on `seed` only.
pub fn read_auxiliary(data: &Path, source: &Auxiliary, seed: u64) -> Result<Kept, TrainError> {
    let mut pairs = read_cells(data, &source.files, &source.format)?;
    put_aside(&mut pairs, source.aside);
    Shuffle::new(seed).shuffle(&mut pairs);
    let mut by_label: HashMap<String, usize> = HashMap::new();
    let mut seen = HashSet::new();
    pairs.retain(|(text, label)| {
        let words = text.split_whitespace().count();
        if source.leave_out.contains(label) || words == 0 || words > source.max_words {
            return false;
        }
        if !seen.insert(text.to_lowercase()) {
            return false;
        }
        let count = by_label.entry(label.clone()).or_default();
        *count += 1;
        *count <= source.per_label.unwrap_or(usize::MAX)
    });
    let mut labels: Vec<String> = by_label.into_keys().collect();
    labels.sort();
    if labels.len() < 2 {
        return Err(TrainError::content(data, format!("{} has fewer than two labels", source.name)));
    }
    let rows = pairs
        .into_iter()
        .filter_map(|(text, label)| Some((text, labels.binary_search(&label).ok()?)))
        .collect();
    Ok(Kept { labels, rows })
}

fn read_cells(data: &Path, files: &[String], format: &Format) -> Result<Vec<(String, String)>, TrainError> {
    let mut pairs = Vec::new();
    for name in files {
        let path = data.join(name);
        let text = read_text(&path)?;
        pairs.extend(cells(&path, &text, format)?);
    }
    Ok(pairs)
}

fn put_aside<T>(rows: &mut Vec<T>, every: Option<usize>) {
    let Some(every) = every else { return };
    let mut places = 0..rows.len();
    rows.retain(|_| places.next().is_some_and(|place| place % every != 0));
}

/// The labels in one cell.
fn parts<'a>(source: &Source, label: &'a str) -> Vec<&'a str> {
    match &source.split {
        Some(split) => label.split(split.as_str()).map(str::trim).collect(),
        None => vec![label.trim()],
    }
}

fn target(source: &Source, label: &str) -> Result<Option<Target>, String> {
    let mut joined: Option<Target> = None;
    for part in parts(source, label) {
        let number: Option<f64> = part.parse().ok();
        let ranged =
            source.range.iter().find(|range| number.is_some_and(|n| range.from <= n && n <= range.to));
        let found = source.map.get(part).or(ranged.map(|range| &range.target)).or(source.rest.as_ref());
        let Some(spec) = found else { return Ok(None) };
        let target = Target::parse(spec)?;
        joined = match joined {
            None => Some(target),
            Some(before) => match before.join(target) {
                Some(both) => Some(both),
                None => return Ok(None),
            },
        };
    }
    Ok(joined.filter(|target| *target != Target::default()))
}

fn cells(path: &Path, text: &str, format: &Format) -> Result<Vec<(String, String)>, TrainError> {
    match format {
        Format::Csv { text: wanted, label } => {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
            let headers = reader.headers().map_err(|error| TrainError::content(path, error))?.clone();
            let column = |name: &String| {
                let found = headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
                found.ok_or_else(|| TrainError::content(path, format!("no column is called `{name}`")))
            };
            let (wanted, label) = (column(wanted)?, column(label)?);
            let mut rows = Vec::new();
            for record in reader.records() {
                let record = record.map_err(|error| TrainError::content(path, error))?;
                if let (Some(text), Some(label)) = (record.get(wanted), record.get(label)) {
                    rows.push((tidy(text), label.to_owned()));
                }
            }
            Ok(rows)
        }
        Format::Lines { delimiter, header, cells, text: wanted, label } => Ok(text
            .lines()
            .skip(usize::from(*header))
            .filter_map(|line| {
                let parts: Vec<&str> = line.splitn(*cells, *delimiter).collect();
                Some((tidy(parts.get(*wanted)?), (*parts.get(*label)?).to_owned()))
            })
            .collect()),
        Format::JsonPairs { keys } => {
            let lists: HashMap<String, Vec<(String, String)>> =
                serde_json::from_str(text).map_err(|error| TrainError::content(path, error))?;
            let mut rows = Vec::new();
            for key in keys {
                let list =
                    lists.get(key).ok_or_else(|| TrainError::content(path, format!("no list `{key}`")))?;
                rows.extend(list.iter().map(|(text, label)| (tidy(text), label.clone())));
            }
            Ok(rows)
        }
        Format::JsonLines { text: wanted, label } => {
            let mut rows = Vec::new();
            for (number, line) in text.lines().enumerate() {
                let value: serde_json::Value = serde_json::from_str(line).map_err(|error| {
                    TrainError::Line { path: path.to_owned(), line: number + 1, reason: error.to_string() }
                })?;
                if let (Some(text), Some(label)) = (value[wanted].as_str(), value[label].as_str()) {
                    rows.push((tidy(text), label.to_owned()));
                }
            }
            Ok(rows)
        }
    }
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sentence pairs, English first, at most `max_words` a side, in an order that depends on `seed` only.
pub fn read_pairs(
    data: &Path,
    source: &PairSource,
    max_words: usize,
    seed: u64,
) -> Result<Vec<(String, String)>, TrainError> {
    let path = data.join(&source.file);
    let text = read_text(&path)?;
    let short = |side: &str| (1..=max_words).contains(&side.split_whitespace().count());
    let mut pairs: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(english, italian)| short(english) && short(italian))
        .map(|(english, italian)| (tidy(english), tidy(italian)))
        .collect();
    Shuffle::new(seed).shuffle(&mut pairs);
    pairs.truncate(source.limit.unwrap_or(usize::MAX));
    Ok(pairs)
}

/// A text file, gzipped if its name ends so; bytes that are not UTF-8 become replacement characters.
fn read_text(path: &Path) -> Result<String, TrainError> {
    let bytes = file(path, std::fs::read(path))?;
    let mut plain = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        file(path, MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain))?;
    } else {
        plain = bytes;
    }
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::target::StageTarget;
    use super::*;

    fn source(toml: &str) -> Source {
        let head = "name='x'\nlicence='MIT'\nused_for='tests'\nweight=0.5\nfiles=['f']\n";
        toml::from_str(&format!("{head}{toml}")).unwrap()
    }

    fn take(content: &str, toml: &str) -> Taken {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), content).unwrap();
        read(folder.path(), &source(toml), 1).unwrap()
    }

    #[test]
    fn csv_labels_are_mapped_and_unknown_ones_counted() {
        let taken = take(
            "text,label\n\"where, is it\",track\nhello  there,greet\nnope,odd\n",
            "format={kind='csv',text='text',label='label'}\n[map]\ntrack='intent=order.status stage=support'\ngreet='intent=smalltalk stage=-'\n",
        );
        assert_eq!((taken.read, taken.rows.len(), taken.unmapped["odd"]), (3, 2, 1));
        let row = taken.rows.iter().find(|row| row.text == "where, is it").unwrap();
        assert_eq!(
            (row.target.stage, row.target.intents.clone(), row.weight),
            (StageTarget::At(4), Some(vec![6]), 0.5)
        );
        assert!(taken.rows.iter().any(|row| row.text == "hello there"));
    }

    #[test]
    fn lines_keep_the_delimiter_in_their_last_cell() {
        let taken = take(
            "t1;negative;bad; really bad\n",
            "format={kind='lines',delimiter=';',header=false,cells=3,text=2,label=1}\n[map]\nnegative='sentiment=negative'\n",
        );
        assert_eq!(taken.rows[0].text, "bad; really bad");
    }

    #[test]
    fn every_so_many_rows_are_put_aside_before_anything_else() {
        let format = "format={kind='csv',text='text',label='label'}\naside=2\n[map]\na='sentiment=neutral'\n";
        let taken = take("text,label\none,a\ntwo,a\nthree,a\nfour,a\nfive,a\n", format);
        let mut texts: Vec<&str> = taken.rows.iter().map(|row| row.text.as_str()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["four", "two"]);
    }

    #[test]
    fn several_labels_join_or_drop_the_row() {
        let format = "split=','\nformat={kind='lines',delimiter='\t',header=false,cells=2,text=0,label=1}\n[map]\n1='sentiment=negative emotions=anger'\n6='sentiment=negative emotions=sadness'\n5='sentiment=positive'\n";
        let taken = take("both signs\t1,5\nbad and sad\t1, 6\n", format);
        assert_eq!(taken.rows.len(), 1);
        assert_eq!(taken.rows[0].target.emotions, Some(vec![0, 4]));
    }

    #[test]
    fn graded_labels_fall_into_ranges_and_limits_hold() {
        let format = "per_label=2\nmin_words=2\nformat={kind='lines',delimiter='\t',header=false,cells=2,text=0,label=1}\n[[range]]\nfrom=1.0\nto=2.5\ntarget='sentiment=negative'\n";
        let taken = take("a b\t1.5\nA  b\t1.5\nc d\t1.5\ne f\t1.5\nshort\t2\ng h\t3\n", format);
        assert_eq!(
            taken.rows.len(),
            2,
            "doubles, short ones, the third of a label and unmapped grades are left out"
        );
    }

    #[test]
    fn a_label_that_the_recipe_maps_must_occur() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "hello\tgreet\n").unwrap();
        let toml = "format={kind='lines',delimiter='\t',header=false,cells=2,text=0,label=1}\n[map]\ngreet='intent=smalltalk'\ngrete='intent=smalltalk'\n";
        let error = read(folder.path(), &source(toml), 1).unwrap_err().to_string();
        assert!(error.contains("maps `grete`"), "{error}");
    }

    #[test]
    fn a_set_with_its_own_labels_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("f"),
            "text,label\nb one,b\na one,a\nA one,a\na two,a\na three,a\nelse,oos\n",
        )
        .unwrap();
        let source: Auxiliary = toml::from_str(
            "name='x'\nlicence='MIT'\nused_for='tests'\nweight=0.5\nfiles=['f']\nper_label=2\nleave_out=['oos']\nformat={kind='csv',text='text',label='label'}",
        )
        .unwrap();
        let kept = read_auxiliary(folder.path(), &source, 1).unwrap();
        assert_eq!(kept.labels, ["a", "b"]);
        assert_eq!(kept.rows.iter().filter(|(_, label)| *label == 0).count(), 2);
        assert!(kept.rows.contains(&("b one".to_owned(), 1)));
    }

    #[test]
    fn a_missing_column_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "a,b\n1,2\n").unwrap();
        let error = read(folder.path(), &source("format={kind='csv',text='text',label='b'}"), 1).unwrap_err();
        assert!(error.to_string().contains("no column is called `text`"), "{error}");
    }
}
