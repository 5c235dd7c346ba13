//! The journey map, timelines and who may leave, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::problem::Problem;
use crate::console::Console;
use crate::console::maps::{self, MOST, MapQuery, NoMap, Wrong};
use crate::journey::map::{Cell, Timeline};
use crate::store::console::Risk;

/// Which contacts count; what is left out does not narrow.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MapFilter {
    /// `24h`, `7d`, `30d`, `90d`, `365d` up to the end of the span; `30d` when left out. `since` goes before it.
    pub range: String,
    /// Sent from this day (UTC) or moment (RFC 3339) on.
    pub since: String,
    /// Up to this day or moment, itself left out; now when left out.
    pub until: String,
    /// `chat`, `email`, …
    pub channel: String,
    /// Code of a language.
    pub language: String,
}

/// The journey map. A figure made of fewer than five is null.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MapView {
    /// From when on it counts; later than asked for when `is_cut`.
    pub since: DateTime<Utc>,
    /// Up to when.
    pub until: DateTime<Utc>,
    /// The span has more than 200,000 messages: the map is made of the latest ones.
    pub is_cut: bool,
    /// Messages decided before there was a map; `smista console index` takes them in.
    pub unmapped: u64,
    /// When it was made; it may be a minute old.
    pub at: DateTime<Utc>,
    /// Everything together.
    pub total: Cell,
    /// A cell for each stage that has contacts, through all channels.
    pub stages: Vec<Cell>,
    /// A cell for each channel that has contacts, in all stages.
    pub channels: Vec<Cell>,
    /// A cell for each stage and channel that has contacts.
    pub cells: Vec<Cell>,
}

fn told(wrong: Wrong) -> String {
    match wrong {
        Wrong::Range => {
            let names: Vec<&str> = maps::RANGES.iter().map(|(name, _)| *name).collect();
            format!("range is one of {}", names.join(", "))
        }
        Wrong::Since => {
            "since is a day such as 2026-05-14 or a moment such as 2026-05-14T08:00:00Z".to_owned()
        }
        Wrong::Until => {
            "until is a day such as 2026-05-14 or a moment such as 2026-05-14T08:00:00Z".to_owned()
        }
        Wrong::Empty => "the span is empty: since comes before until".to_owned(),
        Wrong::Channel => {
            let names = crate::interaction::Channel::ALL.map(|channel| channel.as_str());
            format!("channel is one of {}", names.join(", "))
        }
        Wrong::Language => "language is a code of two or three letters".to_owned(),
        Wrong::Measure => "there is no such figure".to_owned(),
    }
}

pub(super) async fn map(
    State(console): State<Arc<Console>>,
    query: Result<Query<MapFilter>, QueryRejection>,
) -> Result<Json<MapView>, Problem> {
    let Query(filter) = query.map_err(|error| Problem::Value(error.body_text()))?;
    let MapFilter { range, since, until, channel, language } = filter;
    let query = MapQuery { range, since, until, channel, language, by: String::new() };
    let (seen, _) = maps::look(&console, &query).await.map_err(|no| match no {
        NoMap::Wrong(wrong) => Problem::Value(told(wrong)),
        NoMap::Fault(fault) => Problem::from(fault),
    })?;
    let map = seen.map.clone();
    debug_assert_eq!(MOST, 200_000, "the document says so");
    Ok(Json(MapView {
        since: seen.since,
        until: seen.until,
        is_cut: seen.is_cut,
        unmapped: seen.unmapped,
        at: seen.at,
        total: map.total,
        stages: map.stages,
        channels: map.channels,
        cells: map.cells,
    }))
}

/// Who may leave.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChurnView {
    /// Of high and medium risk as of their latest message, at most 100.
    pub customers: Vec<Risk>,
    /// There are more.
    pub is_cut: bool,
}

pub(super) async fn timeline(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Timeline>, Problem> {
    Ok(Json(maps::timeline::looked_at(&console, &caller.account, &id).await?))
}

pub(super) async fn churn(State(console): State<Arc<Console>>) -> Result<Json<ChurnView>, Problem> {
    let (customers, is_cut) = maps::lists::risks(&console).await?;
    Ok(Json(ChurnView { customers, is_cut }))
}
