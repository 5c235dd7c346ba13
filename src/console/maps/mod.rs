//! The journey map for people and programs: which span and filter is asked for, and the map itself, folded anew at most once a
//! minute and of at most [`MOST`] messages.

pub(super) mod agreement;
pub(super) mod lists;
pub(super) mod timeline;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::{Console, pages};
use crate::interaction::Channel;
use crate::journey::map::{Filter, Map, Measure};
use crate::store::{StoreError, journey_map};

/// Messages that a map is made of, the latest of the span.
pub const MOST: u32 = 200_000;
/// How long a map is shown again.
const FRESH: Duration = Duration::from_secs(60);
/// Maps kept.
const KEPT: usize = 16;
/// Spans that are asked for by name, with their days; the third is what is shown when none is.
pub const RANGES: [(&str, i64); 5] = [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90), ("365d", 365)];

/// The query string of the map's page; what is empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MapQuery {
    /// One of [`RANGES`], unless `since` says otherwise.
    pub range: String,
    /// From this day or moment on.
    pub since: String,
    /// Up to this day or moment, itself left out; now when empty.
    pub until: String,
    /// Channel.
    pub channel: String,
    /// Language code.
    pub language: String,
    /// The figure of the grid.
    pub by: String,
}

/// What of a query makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// No such span.
    Range,
    /// The beginning is neither a day nor a moment.
    Since,
    /// The end is not.
    Until,
    /// The end does not come after the beginning.
    Empty,
    /// No such channel.
    Channel,
    /// No code of a language.
    Language,
    /// No such figure.
    Measure,
}

/// Why there is no map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMap {
    /// The query.
    Wrong(Wrong),
    /// The store.
    Fault(Fault),
}

impl From<StoreError> for NoMap {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    filter: Filter,
    /// The figure of the grid.
    pub measure: Measure,
}

/// A map with what it was made of.
#[derive(Debug)]
pub(super) struct Seen {
    /// From when on; later than asked for when `is_cut`.
    pub since: DateTime<Utc>,
    /// Up to when.
    pub until: DateTime<Utc>,
    /// The span has more than [`MOST`] messages: the map begins later.
    pub is_cut: bool,
    /// Messages decided before there was a map.
    pub unmapped: u64,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The map.
    pub map: Map,
}

/// The maps of the last minute, by what was asked for. One is folded at a time.
#[derive(Debug, Default)]
pub(super) struct Kept(tokio::sync::Mutex<Vec<(MapQuery, Instant, Arc<Seen>)>>);

fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    // Years that microseconds can count.
    (1970..=9999).contains(&chrono::Datelike::year(&day)).then(|| day.and_time(NaiveTime::MIN).and_utc())
}

impl MapQuery {
    /// What it asks for, as of now.
    pub(super) fn asked(&self, now: DateTime<Utc>) -> Result<Asked, Wrong> {
        let range = if self.range.is_empty() { RANGES[2].0 } else { &self.range };
        let (_, days) = RANGES.into_iter().find(|(name, _)| *name == range).ok_or(Wrong::Range)?;
        let until = match self.until.as_str() {
            "" => now,
            text => moment(text).ok_or(Wrong::Until)?,
        };
        let since = match self.since.as_str() {
            "" => until - TimeDelta::days(days),
            text => moment(text).ok_or(Wrong::Since)?,
        };
        if since >= until {
            return Err(Wrong::Empty);
        }
        let channel = match self.channel.as_str() {
            "" => None,
            text => {
                let known = Channel::ALL.into_iter().find(|channel| channel.as_str() == text);
                Some(known.ok_or(Wrong::Channel)?)
            }
        };
        let is_code =
            |text: &str| (2..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
        let language = match self.language.trim() {
            "" => None,
            text if is_code(text) => Some(text.to_ascii_lowercase()),
            _ => return Err(Wrong::Language),
        };
        let measure = match self.by.as_str() {
            "" => Measure::default(),
            text => Measure::from_name(text).ok_or(Wrong::Measure)?,
        };
        Ok(Asked { since, until, filter: Filter { channel, language }, measure })
    }

    /// Whether the map of the other is the map of this one, whichever figure is shown.
    fn is_same_map(&self, other: &Self) -> bool {
        let plain = |query: &Self| Self { by: String::new(), ..query.clone() };
        plain(self) == plain(other)
    }
}

/// The map that is asked for, and its figure.
pub(super) async fn look(console: &Console, query: &MapQuery) -> Result<(Arc<Seen>, Measure), NoMap> {
    let now = Utc::now();
    let asked = query.asked(now).map_err(NoMap::Wrong)?;
    let mut kept = console.maps.0.lock().await;
    kept.retain(|(_, at, _)| at.elapsed() < FRESH);
    if let Some((_, _, seen)) = kept.iter().find(|(known, _, _)| known.is_same_map(query)) {
        return Ok((Arc::clone(seen), asked.measure));
    }
    let Asked { since, until, filter, measure } = asked;
    let store = console.store.as_ref();
    let begins = store.map_begins(since, until, MOST).await?;
    let since = begins.unwrap_or(since);
    let map = journey_map(store, since, until, filter, |_| {}).await?;
    let unmapped = store.unmapped().await?;
    let seen = Arc::new(Seen { since, until, is_cut: begins.is_some(), unmapped, at: now, map });
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((query.clone(), Instant::now(), Arc::clone(&seen)));
    Ok((seen, measure))
}

/// The page.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    query: Result<Query<MapQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    let words = viewer.language.words();
    match look(&console, &query).await {
        Ok((seen, measure)) => Ok(pages::maps::grid::page(words, &viewer, &query, Ok((&seen, measure)))),
        Err(NoMap::Fault(fault)) => Err(fault),
        Err(NoMap::Wrong(wrong)) => {
            let mut page = pages::maps::grid::page(words, &viewer, &query, Err(wrong));
            *page.status_mut() = Fault::BadRequest.status();
            Ok(page)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_asks_for() {
        let now: DateTime<Utc> = "2026-05-14T12:00:00Z".parse().unwrap();
        let check = |query: MapQuery, expected: Result<(&str, &str), Wrong>| {
            let told = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H").to_string();
            let asked = query.asked(now).map(|asked| (told(asked.since), told(asked.until)));
            assert_eq!(asked, expected.map(|(a, b)| (a.to_owned(), b.to_owned())), "{query:?}");
        };
        let query = MapQuery::default;
        check(query(), Ok(("2026-04-14T12", "2026-05-14T12")));
        check(MapQuery { range: "24h".into(), ..query() }, Ok(("2026-05-13T12", "2026-05-14T12")));
        check(MapQuery { range: "1y".into(), ..query() }, Err(Wrong::Range));
        let days = MapQuery { since: "2026-05-01".into(), until: "2026-05-03T06:00:00Z".into(), ..query() };
        check(days.clone(), Ok(("2026-05-01T00", "2026-05-03T06")));
        check(MapQuery { until: "2026-05-01".into(), ..days.clone() }, Err(Wrong::Empty));
        check(MapQuery { since: "yesterday".into(), ..query() }, Err(Wrong::Since));
        check(MapQuery { until: "0001-01-01".into(), ..query() }, Err(Wrong::Until));
        check(MapQuery { channel: "fax".into(), ..query() }, Err(Wrong::Channel));
        check(MapQuery { language: "English".into(), ..query() }, Err(Wrong::Language));
        check(MapQuery { by: "colour".into(), ..query() }, Err(Wrong::Measure));
        let narrowed =
            MapQuery { channel: "email".into(), language: "IT ".into(), by: "effort".into(), ..days };
        let asked = narrowed.asked(now).unwrap();
        assert_eq!(asked.filter, Filter { channel: Some(Channel::Email), language: Some("it".into()) });
        assert_eq!(asked.measure, Measure::Effort);
    }
}
