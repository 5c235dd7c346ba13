//! WebVTT (W3C) and SubRip: cues with times, speakers from `<v Name>` or from `Name: …` before the words.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::speakers::same;
use super::transcript::{About, Cue, transcribed};
use super::{ImportError, Settings, Transcribed, Whole, utf8};
use crate::interaction::chat;
use crate::interaction::text::entity;

/// A speaker before the words.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[-–] ?)?[\[(]?(\p{L}[\p{L}\p{N}_.'’,-]*(?: [\p{L}\p{N}_.'’,()-]+){0,3})[\])]? ?: +(\S.*)$",
    )
    .ok()
});

/// A `.vtt` or `.srt` file as one call.
///
/// # Errors
/// A cue whose times cannot be read, no words, or speakers nobody can tell apart.
pub fn subtitles(whole: &Whole<'_>, settings: &Settings) -> Result<Transcribed, ImportError> {
    let text = utf8(whole.bytes)?;
    let (mut cues, language) = cues(text)?;
    name_speakers(&mut cues, settings);
    transcribed(whole, cues, About { language }, settings)
}

/// The cues with voices still in their text, and the language that the heading of a WebVTT file may name.
fn cues(text: &str) -> Result<(Vec<Cue>, Option<String>), ImportError> {
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let vtt = lines.first().is_some_and(|line| line.starts_with("WEBVTT"));
    if !vtt && !text.contains("-->") {
        return Err(ImportError::NotThisFormat {
            format: "WebVTT or SubRip",
            missing: "no line has `-->` between two times",
        });
    }
    let (mut cues, mut language, mut at) = (Vec::new(), None, 0);
    while at < lines.len() {
        let block: Vec<(usize, &str)> = lines
            .iter()
            .enumerate()
            .skip(at)
            .take_while(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| (at, *line))
            .collect();
        at += block.len() + 1;
        let Some((number, first)) = block.first().copied() else { continue };
        if vtt && number == 0 {
            language = block.iter().find_map(|(_, line)| line.strip_prefix("Language:")).and_then(tag);
            continue;
        }
        let aside = ["NOTE", "STYLE", "REGION"]
            .iter()
            .any(|word| first == *word || first.starts_with(&format!("{word} ")));
        if vtt && aside {
            continue;
        }
        let Some(timing) = block.iter().position(|(_, line)| line.contains("-->")).filter(|at| *at <= 1)
        else {
            return Err(ImportError::BadCue {
                line: number + 1,
                problem: "words without times; put a line `00:00:01.000 --> 00:00:02.000` before them",
            });
        };
        let (line, times) = block.get(timing).copied().unwrap_or_default();
        let (start, end) = span(times).ok_or(ImportError::BadCue {
            line: line + 1,
            problem: "times that cannot be read; write them as 00:00:01.000 --> 00:00:02.000",
        })?;
        let words: Vec<&str> = block.iter().skip(timing + 1).map(|(_, line)| *line).collect();
        for (speaker, text) in voices(&words.join("\n")) {
            cues.push(Cue { start_ms: Some(start), end_ms: Some(end), speaker, text, confidence: None });
        }
    }
    Ok((cues, language))
}

fn tag(text: &str) -> Option<String> {
    let text = text.trim();
    let fit = (2..=35).contains(&text.len())
        && text
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    fit.then(|| text.to_owned())
}

/// `START --> END`, with settings behind it, in milliseconds.
fn span(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    let (start, end) = (moment(start.trim())?, moment(rest.split_whitespace().next()?)?);
    (start <= end).then_some((start, end))
}

/// `[hours:]minutes:seconds[.,]milliseconds`.
pub(super) fn moment(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (!part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u64>().ok())?
    };
    let parts: Vec<u64> = clock.split(':').map(|part| digits(part, 6)).collect::<Option<_>>()?;
    let seconds = match parts.as_slice() {
        [minutes, seconds] if *seconds < 60 => minutes * 60 + seconds,
        [hours, minutes, seconds] if *minutes < 60 && *seconds < 60 => hours * 3600 + minutes * 60 + seconds,
        _ => return None,
    };
    let milliseconds = digits(&format!("{fraction:0<3}"), 3)?;
    Some(seconds * 1000 + milliseconds)
}

/// The words of each voice, without marks and with entities read. Words before the first voice have no speaker.
fn voices(text: &str) -> Vec<(Option<String>, String)> {
    let mut found: Vec<(Option<String>, String)> = vec![(None, String::new())];
    let mut rest = text;
    while let Some(at) = rest.find(['<', '{', '&']) {
        let (before, from) = rest.split_at(at);
        push(&mut found, before);
        let close = match from.as_bytes().first() {
            Some(b'<') => from.find('>'),
            // SubRip's positions, as in {\an8}.
            Some(b'{') if from.starts_with("{\\") => from.find('}'),
            Some(b'&') => from.find(';').filter(|end| *end <= 10),
            _ => None,
        };
        let Some(end) = close else {
            let (one, after) = from.split_at(1);
            push(&mut found, one);
            rest = after;
            continue;
        };
        let (mark, after) = from.split_at(end + 1);
        rest = after;
        if mark.starts_with('&') {
            match mark {
                "&lrm;" | "&rlm;" => {}
                "&nbsp;" => push(&mut found, " "),
                _ => match entity(mark) {
                    Some(c) => push(&mut found, c.encode_utf8(&mut [0; 4])),
                    None => push(&mut found, mark),
                },
            }
        } else if let Some(name) = voice(mark) {
            found.push((Some(name), String::new()));
        } else if mark.starts_with('<') && !is_mark(mark) {
            push(&mut found, mark);
        }
    }
    push(&mut found, rest);
    found.iter_mut().for_each(|(_, words)| *words = words.trim().to_owned());
    found.retain(|(_, words)| !words.is_empty());
    found
}

fn push(found: &mut [(Option<String>, String)], words: &str) {
    if let Some((_, last)) = found.last_mut() {
        last.push_str(words);
    }
}

/// The name in `<v.class Name>`.
fn voice(mark: &str) -> Option<String> {
    let (kind, name) = mark.strip_prefix('<')?.strip_suffix('>')?.split_once(char::is_whitespace)?;
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    ((kind == "v" || kind.starts_with("v.")) && !name.is_empty()).then_some(name)
}

/// A mark of these formats; anything else between angle brackets was said.
fn is_mark(mark: &str) -> bool {
    let inner = mark.trim_matches(['<', '>', '/']);
    let name: &str = inner.split(['.', ' ', '\t', '\n']).next().unwrap_or_default();
    inner.is_empty()
        || ["v", "c", "b", "i", "u", "s", "ruby", "rt", "lang", "font", "br"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        || inner.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes `Name: …` at the beginning of a line for a speaker where the name is one of a role or of an agent, or begins lines
/// at least twice. Lines of several speakers in one cue become several cues.
fn name_speakers(cues: &mut Vec<Cue>, settings: &Settings) {
    let Some(named) = NAMED.as_ref() else { return };
    if cues.iter().any(|cue| cue.speaker.is_some()) {
        return;
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for line in cues.iter().flat_map(|cue| cue.text.lines()) {
        if let Some(name) = named.captures(line.trim()).and_then(|found| found.get(1)) {
            *seen.entry(name.as_str()).or_default() += 1;
        }
    }
    let is_speaker = |name: &str| {
        seen.get(name).is_some_and(|times| *times > 1)
            || chat::speaker(name).is_some()
            || settings.agents.iter().any(|agent| same(agent, name))
    };
    let mut split: Vec<Cue> = Vec::new();
    for cue in cues.iter() {
        let mut fresh = true;
        for line in cue.text.lines().map(str::trim) {
            let found =
                named.captures(line).and_then(|found| Some((found.get(1)?.as_str(), found.get(2)?.as_str())));
            match (found.filter(|(name, _)| is_speaker(name)), split.last_mut()) {
                (Some((name, words)), _) => {
                    split.push(Cue { speaker: Some(name.to_owned()), text: words.to_owned(), ..cue.clone() });
                }
                (None, Some(last)) if !fresh => {
                    last.text.push('\n');
                    last.text.push_str(line);
                }
                (None, _) => split.push(Cue { text: line.to_owned(), ..cue.clone() }),
            }
            fresh = false;
        }
    }
    *cues = split;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let check = |text, wanted| assert_eq!(moment(text), wanted, "{text}");
        check("00:01.500", Some(1_500));
        check("01:00:00,250", Some(3_600_250));
        check("100:00:00.000", Some(360_000_000));
        check("00:00:01", Some(1_000));
        check("00:00:01.5", Some(1_500));
        for bad in ["", "1", "00:61.000", "a:b", "00:00:01.0000", "-1:00", "00::01", "99999999:00:00"] {
            check(bad, None);
        }
    }

    #[test]
    fn voices_marks_and_entities() {
        let check = |text: &str, wanted: &[(Option<&str>, &str)]| {
            let found = voices(text);
            let found: Vec<_> = found.iter().map(|(name, words)| (name.as_deref(), words.as_str())).collect();
            assert_eq!(found, wanted, "{text}");
        };
        check("<v Ann Lee>Hi <i>there</i></v>", &[(Some("Ann Lee"), "Hi there")]);
        check("<v.loud A>One</v> <v B>Two", &[(Some("A"), "One"), (Some("B"), "Two")]);
        check("Tom &amp; Ann &lt;3 &nope; 1 < 2", &[(None, "Tom & Ann <3 &nope; 1 < 2")]);
        check("{\\an8}<font color=\"red\">Top</font> <00:00:01.000>now", &[(None, "Top now")]);
        check("<order 12> & <3", &[(None, "<order 12> & <3")]);
        check("<v Ann></v>", &[]);
    }
}
