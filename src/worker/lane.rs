//! One message from its place in a lane to its settlement: every stage with its retries, then publish, confirm, mark and
//! ack (invariants I1, I2, I7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::parking::{self, Refusal};
use super::pipeline::{Decided, Pipeline, PipelineError};
use crate::broker::parked;
use crate::broker::{DeliveryMeta, Outgoing, Publisher, Settle, Settlement};
use crate::clock;
use crate::failpoint;
use crate::interaction::Interaction;
use crate::nlp::Understanding;
use crate::store::OutboxMessage;
use crate::telemetry::events;
use crate::telemetry::health::{Health, Part};
use crate::telemetry::trace::Trace;

/// A call on the store that takes longer may be waiting for a database that is away.
const LONG_CALL: Duration = Duration::from_secs(2);

/// A message waiting in a lane: parsed, or refused and to be parked.
pub struct Work {
    /// What the broker said of it.
    pub meta: DeliveryMeta,
    /// The body as delivered, kept for parking.
    pub body: Arc<Vec<u8>>,
    /// Its way out.
    pub settler: Box<dyn Settle>,
    /// When it came.
    pub received: Instant,
    /// What parsing made of it.
    pub parsed: Result<Box<Interaction>, Refusal>,
}

/// How a message left its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Decided, published, acked.
    Decided,
    /// Decided on an earlier delivery; acked.
    Duplicate,
    /// Parked, acked.
    Parked,
    /// From before its customer was erased; acked without an effect.
    Erased,
    /// Not finished before shutdown, or its channel was gone: the broker delivers it again.
    GivenBack,
}

/// What every lane shares.
pub struct LaneContext {
    /// The stages.
    pub pipeline: Pipeline,
    /// To publish with.
    pub publisher: Arc<dyn Publisher>,
    /// Where failures are shown.
    pub health: Health,
    /// Tries before a failure is judged to be the message's own.
    pub retry_attempts: u32,
    /// First pause between tries.
    pub retry_backoff: Duration,
    /// Ends retries.
    pub abandon: CancellationToken,
    /// Messages analysed so far: tells a poison message from a failing engine.
    pub analysed: AtomicU64,
}

impl LaneContext {
    /// Takes one message through to its settlement. Never loses it: whatever happens, it ends decided, parked, or
    /// given back to the broker.
    pub async fn run(&self, work: Work) -> Left {
        let Work { meta, body, settler, received, parsed } = work;
        if settler.is_recalled() {
            return Left::GivenBack;
        }
        let id = match &parsed {
            Ok(interaction) => interaction.message_id.clone(),
            Err(_) => parked::id_of(meta.message_id.as_deref(), &body),
        };
        failpoint::pass("receive", &id).await;
        let trace = Trace::consume(&meta.queue, &id, meta.trace.as_ref());
        let outcome = match parsed {
            Ok(interaction) => self.guarded(&interaction, meta.earlier_deliveries, &trace).await,
            Err(refusal) => Outcome::Refused(refusal),
        };
        match outcome {
            Outcome::Published(decided) => self.acknowledge(&id, settler, &decided, received, &trace).await,
            Outcome::Refused(refusal) => {
                trace.failed(refusal.class);
                self.park(&id, &meta, &body, settler, &refusal, &trace).await
            }
            Outcome::Erased => self.let_go(&id, settler).await,
            Outcome::Abandoned => Left::GivenBack,
        }
    }

    /// A panic in a stage is the message's fault until shown otherwise: it is parked, its neighbours go on.
    async fn guarded(&self, interaction: &Interaction, earlier: u32, trace: &Trace) -> Outcome {
        let stages = std::panic::AssertUnwindSafe(self.decide_and_publish(interaction, earlier, trace));
        stages.catch_unwind().await.unwrap_or_else(|_| {
            Outcome::Refused(Refusal {
                class: "internal_error",
                error: "a stage panicked on this message; the log of that time has the place".to_owned(),
            })
        })
    }

    async fn decide_and_publish(&self, interaction: &Interaction, earlier: u32, trace: &Trace) -> Outcome {
        let decided = match self.decide(interaction, earlier, trace).await {
            Ok(decided) => decided,
            Err(stop) => return stop,
        };
        let _stage = trace.stage("publish");
        if self.publish_all(&interaction.message_id, &decided.outbox, &trace.headers()).await {
            Outcome::Published(Box::new(decided))
        } else {
            Outcome::Abandoned
        }
    }

    async fn decide(
        &self,
        interaction: &Interaction,
        earlier: u32,
        trace: &Trace,
    ) -> Result<Decided, Outcome> {
        let mut backoff = Backoff::new(self.retry_backoff);
        loop {
            match self.watched("inbox", self.pipeline.decided_before(interaction)).await {
                Ok(decided) => {
                    self.health.note_store("inbox", true);
                    match decided {
                        Some(decided) => return Ok(decided),
                        None => break,
                    }
                }
                Err(error) => self.after_failure("inbox", interaction, error, &mut backoff, false).await?,
            }
        }
        let stage = trace.stage("analyse");
        let understanding = self.analyse(interaction, earlier).await?;
        drop(stage);
        let _stage = trace.stage("commit");
        let mut backoff = Backoff::new(self.retry_backoff);
        loop {
            let commit = self.pipeline.fold_and_commit(interaction, &understanding, Utc::now());
            let attempt = self.pipeline.attempt(&interaction.message_id, earlier, commit);
            match self.watched("commit", attempt).await {
                Ok(decided) => {
                    self.health.note_store("commit", true);
                    failpoint::pass("commit", &interaction.message_id).await;
                    return Ok(decided);
                }
                Err(error) => self.after_failure("commit", interaction, error, &mut backoff, false).await?,
            }
        }
    }

    /// Waits for a call on the store, and says so where it takes long: a pool tries for its whole time to reach a database that
    /// refuses, and only then fails.
    async fn watched<T>(&self, stage: &'static str, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        tokio::select! {
            biased;
            answer = &mut call => return answer,
            () = clock::sleep(LONG_CALL) => self.health.note_store(stage, false),
        }
        call.await
    }

    async fn analyse(&self, interaction: &Interaction, earlier: u32) -> Result<Understanding, Outcome> {
        let mut backoff = Backoff::new(self.retry_backoff);
        let mut seen = self.analysed.load(Ordering::Relaxed);
        let mut own = 0;
        failpoint::pass("analyse", &interaction.message_id).await;
        loop {
            let analysis = self.pipeline.analyse(interaction);
            match self.pipeline.attempt(&interaction.message_id, earlier, analysis).await {
                Ok(understanding) => {
                    self.health.note_store("analyse", true);
                    if understanding.degraded {
                        self.health.note(Part::Engine, false, "failing; cues decide");
                    } else {
                        self.analysed.fetch_add(1, Ordering::Relaxed);
                        self.health.note(Part::Engine, true, "working");
                    }
                    return Ok(understanding);
                }
                Err(error) => {
                    // Tries while nothing can be analysed say nothing about this message. Where nobody else has tried
                    // meanwhile, a plain text is: else messages that cannot be analysed hold up all behind them for
                    // good, once they fill the lanes or the prefetch.
                    let analysed = self.analysed.load(Ordering::Relaxed);
                    if analysed > seen || self.pipeline.can_analyse().await {
                        own += 1;
                        seen = analysed;
                    }
                    let at_fault = own >= self.retry_attempts;
                    self.after_failure("analyse", interaction, error, &mut backoff, at_fault).await?;
                }
            }
        }
    }

    /// Judges a failed try: pause and try again, park the message, or give it back. A failing part holds the message;
    /// only a message that keeps failing while others can be analysed is parked.
    async fn after_failure(
        &self,
        stage: &'static str,
        interaction: &Interaction,
        error: PipelineError,
        backoff: &mut Backoff,
        at_fault: bool,
    ) -> Result<(), Outcome> {
        let away = matches!(&error, PipelineError::Store(store) if store.is_transient());
        self.health.note_store(stage, !away);
        match &error {
            _ if away => {}
            PipelineError::Analyse(analysis) if analysis.is_permanent() => {
                return Err(Outcome::Refused(Refusal::new("not_analysable", &error)));
            }
            PipelineError::Analyse(_) if at_fault => {
                return Err(Outcome::Refused(Refusal::new("analysis_failed", &error)));
            }
            PipelineError::Analyse(_) => self.health.note(Part::Engine, false, "failing"),
            PipelineError::Store(_) => {
                return Err(Outcome::Refused(Refusal::new("state_unreadable", &error)));
            }
            PipelineError::Erased => return Err(Outcome::Erased),
            PipelineError::Deadly => {
                return Err(Outcome::Refused(Refusal::new("kills_worker", &error)));
            }
            PipelineError::Serialise(_) => {
                return Err(Outcome::Refused(Refusal::new("not_serialisable", &error)));
            }
        }
        events::Retrying {
            message_id: &interaction.message_id,
            stage,
            attempt: backoff.attempt() + 1,
            error: &error.to_string(),
        }
        .emit();
        if backoff.pause(&self.abandon).await { Ok(()) } else { Err(Outcome::Abandoned) }
    }

    /// Publishes in order and marks what was confirmed. `false` when shutdown came first.
    async fn publish_all(
        &self,
        message_id: &str,
        outbox: &[OutboxMessage],
        headers: &[(String, String)],
    ) -> bool {
        for message in outbox {
            let message = Outgoing { headers: headers.to_vec(), ..outgoing(message) };
            if !self.publish(message_id, message).await {
                return false;
            }
        }
        failpoint::pass("confirm", message_id).await;
        self.mark(message_id, outbox).await;
        true
    }

    /// Notes what was confirmed, so that nobody publishes it again; tries until it is noted or the worker stops.
    async fn mark(&self, message_id: &str, outbox: &[OutboxMessage]) {
        if outbox.is_empty() {
            return;
        }
        let ids: Vec<String> = outbox.iter().map(|message| message.id.clone()).collect();
        let mut backoff = Backoff::new(self.retry_backoff);
        loop {
            let error = match self.watched("mark", self.pipeline.store().mark_sent(&ids, Utc::now())).await {
                Ok(()) => return self.health.note_store("mark", true),
                Err(error) => error,
            };
            self.health.note_store("mark", !error.is_transient());
            let (attempt, error) = (backoff.attempt() + 1, error.to_string());
            events::Retrying { message_id, stage: "mark", attempt, error: &error }.emit();
            if !backoff.pause(&self.abandon).await {
                // The confirms stand; the relay of another worker publishes these again under the same ids.
                return;
            }
        }
    }

    async fn publish(&self, message_id: &str, message: Outgoing) -> bool {
        let mut backoff = Backoff::new(self.retry_backoff);
        loop {
            match self.publisher.publish(message.clone()).await {
                Ok(()) => return true,
                Err(error) => {
                    events::Retrying {
                        message_id,
                        stage: "publish",
                        attempt: backoff.attempt() + 1,
                        error: &error.to_string(),
                    }
                    .emit();
                }
            }
            if !backoff.pause(&self.abandon).await {
                return false;
            }
        }
    }

    async fn acknowledge(
        &self,
        id: &str,
        settler: Box<dyn Settle>,
        decided: &Decided,
        received: Instant,
        trace: &Trace,
    ) -> Left {
        let decision_id = decided.decision.decision_id.to_string();
        let priority = decided.decision.priority.level.as_str();
        trace.decided(&decision_id, priority, decided.duplicate);
        failpoint::pass("mark", id).await;
        if let Err(error) = settler.settle(Settlement::Ack).await {
            events::AckLost { message_id: id, error: &error.to_string() }.emit();
            return Left::GivenBack;
        }
        failpoint::pass("ack", id).await;
        events::Decided {
            message_id: id,
            decision_id: &decision_id,
            channel: decided.decision.channel.as_str(),
            priority,
            duplicate: decided.duplicate,
            took: received.elapsed(),
            trace_id: &trace.id(),
        }
        .emit();
        if decided.duplicate { Left::Duplicate } else { Left::Decided }
    }

    /// Acks a message of an erased customer, of which nothing is kept, not even its name in the log.
    async fn let_go(&self, id: &str, settler: Box<dyn Settle>) -> Left {
        if let Err(error) = settler.settle(Settlement::Ack).await {
            events::AckLost { message_id: id, error: &error.to_string() }.emit();
            return Left::GivenBack;
        }
        events::LetGo.emit();
        Left::Erased
    }

    /// Publishes the body to the parked queue with the reason, and acks once that is confirmed.
    async fn park(
        &self,
        id: &str,
        meta: &DeliveryMeta,
        body: &[u8],
        settler: Box<dyn Settle>,
        refusal: &Refusal,
        trace: &Trace,
    ) -> Left {
        let mut message = parking::outgoing(meta, body, refusal);
        message.headers.extend(trace.headers());
        if !self.publish(id, message).await {
            return Left::GivenBack;
        }
        if let Err(error) = settler.settle(Settlement::Ack).await {
            events::AckLost { message_id: id, error: &error.to_string() }.emit();
            return Left::GivenBack;
        }
        events::MessageParked { message_id: id, class: refusal.class, queue: &meta.queue }.emit();
        Left::Parked
    }
}

enum Outcome {
    Published(Box<Decided>),
    Refused(Refusal),
    Erased,
    Abandoned,
}

/// An outbox row as a broker message.
pub fn outgoing(message: &OutboxMessage) -> Outgoing {
    Outgoing {
        destination: message.destination,
        routing_key: message.routing_key.clone(),
        message_id: message.id.clone(),
        body: message.body.clone().into_bytes(),
        headers: Vec::new(),
    }
}
