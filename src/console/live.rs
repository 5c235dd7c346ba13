//! News of the queue: one task asks the store each second while anybody listens, and every open page hears of it by
//! server-sent events.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use chrono::{TimeDelta, Utc};
use futures::StreamExt as _;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Console;
use crate::store::console::News;

const EVERY: Duration = Duration::from_secs(1);
/// Decisions may be committed a little out of the order of their times.
const OVERLAP: TimeDelta = TimeDelta::seconds(15);
/// News told at once.
const AT_ONCE: u32 = 500;
/// A stream ends after so long; the browser comes again and is looked at again.
const LONGEST: Duration = Duration::from_secs(300);

pub(super) struct Live(broadcast::Sender<News>);

impl Live {
    pub fn new() -> Self {
        Self(broadcast::channel(1024).0)
    }
}

/// Watches the store until the console stops.
pub(super) async fn watch(console: Arc<Console>) {
    let mut told: HashSet<News> = HashSet::new();
    loop {
        tokio::select! {
            biased;
            () = console.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if console.live.0.receiver_count() == 0 {
            continue;
        }
        // The next second asks again; the pages themselves tell when the store is away.
        let Ok(news) = console.store.news(Utc::now() - OVERLAP, AT_ONCE).await else { continue };
        for one in &news {
            if !told.contains(one) {
                // Nobody left to hear it.
                let _ = console.live.0.send(one.clone());
            }
        }
        told = news.into_iter().collect();
    }
}

/// The stream of one page: `news` events with the conversation's id and the microseconds of its decision.
pub(super) async fn events(
    State(console): State<Arc<Console>>,
) -> Sse<impl futures::Stream<Item = Result<Event, Infallible>>> {
    let receiver = console.live.0.subscribe();
    let stop = console.stop.clone();
    let over = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    let stream = futures::stream::unfold(receiver, async |mut receiver| {
        loop {
            match receiver.recv().await {
                Ok(news) => {
                    let body = serde_json::json!({ "id": news.conversation_id, "at": news.decided_at });
                    return Some((Ok(Event::default().event("news").data(body.to_string())), receiver));
                }
                // A page that reads too slowly counts too few.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(stream.take_until(Box::pin(over))).keep_alive(KeepAlive::default())
}
