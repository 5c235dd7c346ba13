//! Where the decisions of a canary and those in force differ.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::fault::Fault;
use super::guard::Viewer;
use super::{Console, pages};
use crate::routing::canary::Aspect;
use crate::store::console::{Differing, Moved, Pairing};

/// Pairs of live and shadow that can be chosen from, the latest.
pub(super) const PAIRINGS: u32 = 20;
/// Ways to differ that are shown, the commonest.
pub(super) const MOVES: u32 = 50;
/// Messages shown, the latest.
pub(super) const MESSAGES: u32 = 100;

/// The query string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CanaryQuery {
    /// Which pair, counted from the latest; the latest when empty.
    pub pair: String,
    /// In what they differ; anything when empty.
    pub aspect: String,
}

/// What the page shows.
pub(super) struct Told {
    /// All pairs, the latest first.
    pub pairings: Vec<Pairing>,
    /// The one that is looked at.
    pub chosen: usize,
    /// In what they differ.
    pub aspect: Option<Aspect>,
    /// In which ways.
    pub moved: Vec<Moved>,
    /// On which messages.
    pub differing: Vec<Differing>,
}

impl Told {
    /// The pair that is looked at; none where nothing was compared.
    pub fn pairing(&self) -> Option<&Pairing> {
        self.pairings.get(self.chosen)
    }
}

/// The page.
pub(super) async fn page(
    State(console): State<Arc<Console>>,
    Extension(viewer): Extension<Viewer>,
    query: Result<Query<CanaryQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(query) = query.map_err(|_| Fault::BadRequest)?;
    let chosen = if query.pair.is_empty() { 0 } else { query.pair.parse().map_err(|_| Fault::BadRequest)? };
    let aspect = match query.aspect.as_str() {
        "" => None,
        name => Some(Aspect::from_name(name).ok_or(Fault::BadRequest)?),
    };
    let store = &console.store;
    let pairings = store.pairings(PAIRINGS).await?;
    let mut told = Told { pairings, chosen, aspect, moved: Vec::new(), differing: Vec::new() };
    match told.pairing() {
        None if chosen > 0 => return Err(Fault::NotFound),
        None => {}
        Some(Pairing { live, shadow, .. }) => {
            let moved = store.moved(live, shadow, MOVES).await?;
            let differing = store.differing(live, shadow, aspect, MESSAGES).await?;
            (told.moved, told.differing) = (moved, differing);
        }
    }
    Ok(pages::canary::page(viewer.language.words(), &viewer, &told))
}
