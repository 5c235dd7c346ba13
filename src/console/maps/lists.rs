//! What goes on beside the map: topics and their rises, who may leave, how often the model was right.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::agreement::Agreement;
use crate::console::fault::Fault;
use crate::console::guard::Viewer;
use crate::console::{Console, pages};
use crate::store::Spike;
use crate::store::console::Risk;

/// Days of the topics.
pub const DAYS: i64 = 14;
/// Rises shown, the latest.
pub const SPIKES: u32 = 20;
/// Customers on the list.
pub const RISKS: u32 = 100;
/// Days that the agreement looks back: twelve weeks.
pub const WEEKS: i64 = 12;
/// Messages it is made of, those judged last.
pub const JUDGED: u32 = 2_000;

/// How often intents came up, day by day.
#[derive(Debug, Default)]
pub struct Topics {
    /// The last day, since 1970.
    pub last: i64,
    /// Intents with their messages on each of [`DAYS`] days, the commonest first.
    pub intents: Vec<(String, Vec<u64>)>,
    /// What rose, the latest first.
    pub spikes: Vec<Spike>,
    /// There are more rises than shown.
    pub is_cut: bool,
}

/// The query string of the topics.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct TopicsQuery {
    /// The last day; today when empty.
    pub day: String,
}

/// The topics.
pub(in crate::console) async fn topics(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    query: Result<Query<TopicsQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    let words = viewer.language.words();
    let day = match query.day.as_str() {
        "" => Some(Utc::now()),
        text => super::moment(text),
    };
    let Some(day) = day else {
        let mut page = pages::maps::lists::topics(words, &viewer, &query.day, None);
        *page.status_mut() = Fault::BadRequest.status();
        return Ok(page);
    };
    let last = day.timestamp().div_euclid(86_400);
    let start = |day: i64| DateTime::from_timestamp(day * 86_400, 0).ok_or(Fault::BadRequest);
    let (since, until) = (start(last + 1 - DAYS)?, start(last + 1)?);
    let mut intents: Vec<(String, Vec<u64>)> = Vec::new();
    // In order of intents.
    for (intent, day, count) in console.store.intents_by_day(since, until).await? {
        if intents.last().is_none_or(|(known, _)| *known != intent) {
            intents.push((intent, vec![0; DAYS as usize]));
        }
        let place = usize::try_from(day + DAYS - 1 - last).ok();
        let days = intents.last_mut().map(|(_, days)| days);
        if let Some(cell) = days.zip(place).and_then(|(days, place)| days.get_mut(place)) {
            *cell += count;
        }
    }
    intents.sort_by_key(|(_, days)| std::cmp::Reverse(days.iter().sum::<u64>()));
    let mut spikes = console.store.latest_spikes(since, until, SPIKES + 1).await?;
    let is_cut = spikes.len() > SPIKES as usize;
    spikes.truncate(SPIKES as usize);
    let topics = Topics { last, intents, spikes, is_cut };
    Ok(pages::maps::lists::topics(words, &viewer, &query.day, Some(&topics)))
}

/// Who may leave, at most [`RISKS`], and whether there are more.
pub(in crate::console) async fn risks(console: &Console) -> Result<(Vec<Risk>, bool), Fault> {
    let mut risks = console.store.risks(RISKS + 1).await?;
    let is_cut = risks.len() > RISKS as usize;
    risks.truncate(RISKS as usize);
    Ok((risks, is_cut))
}

/// Who may leave.
pub(in crate::console) async fn churn(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let (risks, is_cut) = risks(&console).await?;
    Ok(pages::maps::lists::churn(viewer.language.words(), &viewer, &risks, is_cut))
}

/// How often the model was right.
pub(in crate::console) async fn agreement(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, Fault> {
    let since = Utc::now() - TimeDelta::weeks(WEEKS);
    let mut judged = console.store.judged(since, JUDGED + 1).await?;
    let is_cut = judged.len() > JUDGED as usize;
    judged.truncate(JUDGED as usize);
    let agreement = Agreement::of(&judged);
    Ok(pages::maps::lists::agreement(viewer.language.words(), &viewer, &agreement, is_cut))
}
