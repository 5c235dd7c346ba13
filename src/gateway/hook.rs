//! Sends what waits in a hook's queue: in order for each conversation, many conversations at a time. What is not taken is
//! tried again; a message that alone is refused is parked; while the address takes nothing, everything waits on the broker.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broker::amqp::tap::{Letter, Tap};
use crate::broker::parked::{self, Parking};
use crate::broker::{PublishError, Publisher};
use crate::telemetry::events;

/// Conversations sent at the same time.
const LANES: usize = 8;
/// Tries of a message that is refused (4xx) while the address takes others.
const REFUSALS: u32 = 3;
/// Tries of a message that fails otherwise while the address takes others.
const FAILURES: u32 = 8;

/// Where messages go.
#[async_trait]
pub(super) trait Target: Send + Sync {
    /// Delivers it; `again` when it may have been delivered before.
    async fn deliver(&self, letter: &Letter, again: bool) -> Result<(), Failure>;
}

/// Why a message was not taken. The text quotes neither the message nor the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// A short word for the parked message.
    pub class: &'static str,
    /// For people.
    pub error: String,
    /// What to make of it.
    pub kind: FailureKind,
    /// When the address wants to be asked again.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// It can never be delivered.
    Unreadable,
    /// The address answered that it does not want it.
    Refused,
    /// The address does not work.
    Away,
}

impl Failure {
    /// The message itself is broken.
    pub fn unreadable(error: &str) -> Self {
        Self {
            class: "hook_unreadable",
            error: error.to_owned(),
            kind: FailureKind::Unreadable,
            retry_after: None,
        }
    }

    /// What an answer means: taken with any 2xx.
    pub fn unless_taken(
        answer: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<reqwest::Response, Self> {
        let away =
            |error: String| Self { class: "hook_away", error, kind: FailureKind::Away, retry_after: None };
        let response = answer.map_err(|error| away(told(error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let seconds =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let error = format!("the address answered {status}");
        // Gone, not allowed, too early, too many: of the address, not of the message.
        let of_the_message =
            status.is_client_error() && ![401, 403, 408, 410, 425, 429].contains(&status.as_u16());
        let failure = if of_the_message {
            Self { class: "hook_refused", error, kind: FailureKind::Refused, retry_after: None }
        } else {
            away(error)
        };
        Err(Self { retry_after: seconds.map(Duration::from_secs), ..failure })
    }
}

/// Without the address, which may hold a secret.
fn told(error: reqwest::Error) -> String {
    use std::error::Error as _;
    let what = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "no answer in time",
        (_, true) => "no connection",
        _ => "the request failed",
    };
    let error = error.without_url();
    let mut cause = error.source();
    let mut last = None;
    while let Some(deeper) = cause {
        last = Some(deeper.to_string());
        cause = deeper.source();
    }
    last.map_or_else(|| what.to_owned(), |last| format!("{what}: {last}"))
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause between two tries; it doubles.
    pub first_pause: Duration,
    /// The longest.
    pub longest_pause: Duration,
    /// How long a message is held before everything is given back to the broker.
    pub hold: Duration,
    /// How old a message may get before it is parked.
    pub give_up: TimeDelta,
}

impl Patience {
    /// As services want it.
    pub fn of(config: &crate::config::Gateway) -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            hold: Duration::from_secs(15 * 60),
            give_up: TimeDelta::hours(i64::from(config.give_up_hours)),
        }
    }
}

/// A queue and where it goes.
pub(super) struct Hook {
    pub name: String,
    pub target: Arc<dyn Target>,
    pub publisher: Arc<dyn Publisher>,
    pub patience: Patience,
}

impl Hook {
    /// Sends until stopped; what is under way then is finished or left to the broker.
    pub async fn run(self, tap: Tap, prefetch: u16, stop: CancellationToken) {
        let (letters, mut arriving) = mpsc::channel(1);
        let name = self.name.clone();
        let told = move |fault: Option<&str>| events::HookLink { hook: &name, fault }.emit();
        let tapping = tokio::spawn(tap.run(letters, told, stop.clone()));
        let shared = Arc::new(self);
        let taken = Arc::new(AtomicU64::new(0));
        // A lane holds no more than the broker hands out: filling one never waits.
        let lanes: Vec<mpsc::Sender<Letter>> = (0..LANES)
            .map(|_| {
                let (sender, letters) = mpsc::channel(usize::from(prefetch));
                let lane = Lane { hook: Arc::clone(&shared), taken: Arc::clone(&taken), stop: stop.clone() };
                tokio::spawn(lane.run(letters));
                sender
            })
            .collect();
        while let Some(letter) = arriving.recv().await {
            if let Some(lane) = lanes.get(lane_of(&letter)) {
                // A lane ends with the stop only, and then the letter stays with the broker.
                let _ = lane.send(letter).await;
            }
        }
        drop(lanes);
        // It ends by itself: its receivers are gone.
        let _ = tapping.await;
    }
}

/// The lane of its conversation.
fn lane_of(letter: &Letter) -> usize {
    #[derive(Deserialize)]
    struct Named {
        conversation_id: String,
    }
    let named = serde_json::from_slice::<Named>(&letter.body).ok();
    let mut hasher = DefaultHasher::new();
    named.map(|named| named.conversation_id).hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}

/// One conversation after another.
struct Lane {
    hook: Arc<Hook>,
    /// Messages that the address has taken, over all lanes.
    taken: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Lane {
    async fn run(self, mut letters: mpsc::Receiver<Letter>) {
        while let Some(letter) = letters.recv().await {
            if self.stop.is_cancelled() || letter.is_stale() {
                continue;
            }
            self.send(letter).await;
        }
    }

    async fn send(&self, letter: Letter) {
        let (hook, begun) = (self.hook.name.as_str(), Instant::now());
        let patience = &self.hook.patience;
        let again = letter.meta.redelivered || letter.meta.earlier_deliveries > 0;
        let taken_before = self.taken.load(Ordering::Relaxed);
        let mut pause = patience.first_pause;
        for attempt in 1.. {
            let failure = match self.hook.target.deliver(&letter, again || attempt > 1).await {
                Ok(()) => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    let acked = letter.done().await;
                    return events::HookDelivered { hook, attempt, acked }.emit();
                }
                Err(failure) => failure,
            };
            let others = self.taken.load(Ordering::Relaxed) > taken_before;
            let old = letter.published_at.is_some_and(|at| Utc::now() - at > patience.give_up);
            let tried_enough = match failure.kind {
                FailureKind::Unreadable => true,
                FailureKind::Refused => others && attempt >= REFUSALS,
                FailureKind::Away => others && attempt >= FAILURES,
            };
            if tried_enough || old {
                return self.park(&letter, attempt, &failure).await;
            }
            events::HookRetry { hook, attempt, error: &failure.error }.emit();
            let wait = failure.retry_after.unwrap_or(pause).clamp(pause, patience.hold);
            pause = (pause * 2).min(patience.longest_pause);
            if self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() || letter.is_stale() {
                return;
            }
            if begun.elapsed() > patience.hold {
                return letter.give_all_back();
            }
        }
    }

    /// The message leaves the queue only once the parked queue has it.
    async fn park(&self, letter: &Letter, attempt: u32, failure: &Failure) {
        let mut parking = Parking::of(&letter.meta, failure.class, &failure.error);
        parking.attempt = attempt;
        let outgoing = parked::parking(parking, letter.body.clone());
        let mut pause = self.hook.patience.first_pause;
        loop {
            let error: PublishError = match self.hook.publisher.publish(outgoing.clone()).await {
                Ok(()) => break,
                Err(error) => error,
            };
            events::HookRetry { hook: &self.hook.name, attempt, error: &error.to_string() }.emit();
            let waited = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(self.hook.patience.longest_pause);
            if waited.is_none() || letter.is_stale() {
                return;
            }
        }
        let message_id = letter.meta.message_id.as_deref().unwrap_or_default();
        events::HookParked { hook: &self.hook.name, message_id, class: failure.class }.emit();
        // Where the ack is lost it comes again and is parked again, under the same id.
        let _ = letter.done().await;
    }
}
