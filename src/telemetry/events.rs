//! What can happen, as types. An event knows its log level, its constant message, its fields and its metrics, so the
//! rest of the program says what happened and nothing about how it is recorded.

mod canary;
mod engine;
mod gateway;
mod links;
mod shards;
mod upkeep;
mod web;

use std::time::Duration;

use metrics::{Unit, counter, gauge, histogram};
use tracing::{debug, error, info, warn};

use crate::routing::Decision;

pub use canary::{CanaryFailing, CanaryReload, CanarySkipped, Compared};
pub use engine::{BatchRun, WindowCached};
pub use gateway::{HookDelivered, HookLink, HookParked, HookRetry, Intake};
pub use links::{BrokerChanged, BrokerLink, Stalled, StoreAwaited};
pub use shards::{ActiveShards, ShardGivenAway, ShardTaken, Shared, SharingFailed};
pub use upkeep::{Forgot, PurgeFailed, Purged, RelayFailed, Relayed};
pub use web::{ConsoleFailed, HttpStopped, ProviderRefused, SignIn};

/// Every metric's name, Prometheus conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Deliveries received.
    Received,
    /// Messages decided, by channel, priority, action.
    Decided,
    /// Messages that had been decided before.
    Duplicates,
    /// Messages parked, by error class.
    Parked,
    /// Retries, by stage.
    Retries,
    /// Seconds from receipt to settlement.
    Latency,
    /// Seconds of analysis.
    AnalysisTime,
    /// Seconds of a batch in the engine.
    EngineBatchTime,
    /// Windows the engine answered.
    EngineWindows,
    /// Tokens the engine read.
    EngineTokens,
    /// Windows answered from what the engine said before.
    EngineCached,
    /// Deliveries under way.
    InFlight,
    /// Outbox rows published late, after a crash or an outage.
    Relayed,
    /// Fields that the wire form does not know.
    UnknownFields,
    /// Messages analysed without the engine.
    Degraded,
    /// Messages from before their customer was erased.
    LetGo,
    /// 1 while connected and not blocked.
    BrokerUp,
    /// 1 while the broker takes no messages.
    BrokerBlocked,
    /// 1 while messages are under way and none comes to its end.
    Stalled,
    /// Input queues that this worker is the active consumer of.
    ActiveShards,
    /// Input queues left to another worker.
    ShardsGivenAway,
    /// Interactions that came by HTTP, by outcome.
    Intake,
    /// Messages to addresses out there, by hook and outcome.
    HookDeliveries,
    /// 1 while a hook's queue is read, by hook.
    HookUp,
    /// Messages decided, by action and queue.
    Routed,
    /// Messages decided without a sure intent.
    Abstained,
    /// State changes of journeys and events of the policy, by name.
    JourneyEvents,
    /// Decisions compared with their shadow, by outcome.
    CanaryCompared,
    /// Differences between decisions and their shadows, by aspect.
    CanaryDifferences,
    /// Decisions not compared, by reason.
    CanarySkipped,
}

impl Metric {
    /// Every metric with its meaning.
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::Received, "Deliveries received"),
        (Self::Decided, "Messages decided"),
        (Self::Duplicates, "Deliveries of messages decided before"),
        (Self::Parked, "Messages parked"),
        (Self::Retries, "Retries of a stage"),
        (Self::Latency, "Seconds from receipt to settlement"),
        (Self::AnalysisTime, "Seconds of analysis"),
        (Self::EngineBatchTime, "Seconds of a batch in the engine"),
        (Self::EngineWindows, "Windows of text the engine answered"),
        (Self::EngineTokens, "Tokens the engine read"),
        (Self::EngineCached, "Windows of text answered from what the engine said before"),
        (Self::InFlight, "Deliveries under way"),
        (Self::Relayed, "Outbox messages published late"),
        (Self::UnknownFields, "Fields the wire form does not know"),
        (Self::Degraded, "Messages analysed from cues alone while the engine failed"),
        (Self::LetGo, "Messages from before their customer was erased, let go without an effect"),
        (Self::BrokerUp, "1 while the broker is connected and not blocked"),
        (Self::BrokerBlocked, "1 while the broker takes no messages (memory or disk alarm)"),
        (Self::Stalled, "1 while messages are under way and none has come to its end for a minute"),
        (Self::ActiveShards, "Input queues that this worker is seen to be the active consumer of"),
        (Self::ShardsGivenAway, "Places in the line of an input queue left to another worker"),
        (Self::Intake, "Interactions that came by HTTP"),
        (Self::HookDeliveries, "Messages to addresses out there"),
        (Self::HookUp, "1 while the queue of a hook is read"),
        (Self::Routed, "Messages decided, by what happens to them and where they go"),
        (Self::Abstained, "Messages decided in which no intent was sure enough"),
        (Self::JourneyEvents, "State changes of journeys and events of the policy"),
        (Self::CanaryCompared, "Decisions compared with those of the canary"),
        (Self::CanaryDifferences, "Differences between decisions and those of the canary"),
        (Self::CanarySkipped, "Decisions that the canary was to be compared on and was not"),
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "smista_received_total",
            Self::Decided => "smista_decided_total",
            Self::Duplicates => "smista_duplicates_total",
            Self::Parked => "smista_parked_total",
            Self::Retries => "smista_retries_total",
            Self::Latency => "smista_latency_seconds",
            Self::AnalysisTime => "smista_analysis_seconds",
            Self::EngineBatchTime => "smista_engine_batch_seconds",
            Self::EngineWindows => "smista_engine_windows_total",
            Self::EngineTokens => "smista_engine_tokens_total",
            Self::EngineCached => "smista_engine_cached_windows_total",
            Self::InFlight => "smista_in_flight",
            Self::Relayed => "smista_outbox_relayed_total",
            Self::UnknownFields => "smista_unknown_fields_total",
            Self::Degraded => "smista_degraded_total",
            Self::LetGo => "smista_erased_total",
            Self::BrokerUp => "smista_broker_up",
            Self::BrokerBlocked => "smista_broker_blocked",
            Self::Stalled => "smista_stalled",
            Self::ActiveShards => "smista_active_shards",
            Self::ShardsGivenAway => "smista_shards_given_away_total",
            Self::Intake => "smista_intake_total",
            Self::HookDeliveries => "smista_hook_deliveries_total",
            Self::HookUp => "smista_hook_up",
            Self::Routed => "smista_routed_total",
            Self::Abstained => "smista_abstained_total",
            Self::JourneyEvents => "smista_journey_events_total",
            Self::CanaryCompared => "smista_canary_compared_total",
            Self::CanaryDifferences => "smista_canary_differences_total",
            Self::CanarySkipped => "smista_canary_skipped_total",
        }
    }

    /// Tells the exporter every name and meaning.
    pub fn describe_all() {
        for &(metric, meaning) in Self::ALL {
            match metric {
                Self::Latency | Self::AnalysisTime | Self::EngineBatchTime => {
                    metrics::describe_histogram!(metric.name(), Unit::Seconds, meaning);
                }
                Self::InFlight | Self::BrokerUp | Self::ActiveShards | Self::HookUp => {
                    metrics::describe_gauge!(metric.name(), meaning)
                }
                _ => metrics::describe_counter!(metric.name(), meaning),
            }
        }
    }
}

/// A message from before its customer was erased came late; which one is not said, since nothing is kept of it.
pub struct LetGo;

impl LetGo {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::LetGo.name()).increment(1);
        info!("a message of an erased customer let go");
    }
}

/// The worker has started.
pub struct WorkerStarted<'a> {
    /// Model version.
    pub model: &'a str,
    /// Policy version.
    pub policy: &'a str,
    /// How the engine computes.
    pub forward: &'a str,
}

impl WorkerStarted<'_> {
    /// Records it.
    pub fn emit(self) {
        info!(model = self.model, policy = self.policy, forward = self.forward, "worker started");
    }
}

/// The worker has been asked to stop.
pub struct WorkerStopping {
    /// Messages under way.
    pub in_flight: usize,
}

impl WorkerStopping {
    /// Records it.
    pub fn emit(self) {
        info!(in_flight = self.in_flight, "worker stopping");
    }
}

/// The worker has stopped.
pub struct WorkerStopped {
    /// Messages decided since it started.
    pub decided: u64,
    /// Deliveries of messages decided before.
    pub duplicates: u64,
    /// Messages parked.
    pub parked: u64,
    /// Messages given back to the broker unfinished.
    pub given_back: u64,
}

impl WorkerStopped {
    /// Records it.
    pub fn emit(self) {
        info!(
            decided = self.decided,
            duplicates = self.duplicates,
            parked = self.parked,
            given_back = self.given_back,
            "worker stopped"
        );
    }
}

/// A delivery has come.
pub struct Received;

impl Received {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Received.name()).increment(1);
    }
}

/// How many deliveries are under way.
pub struct InFlight(pub usize);

impl InFlight {
    /// Records it.
    pub fn emit(self) {
        #[expect(clippy::cast_precision_loss, reason = "bounded by prefetch")]
        gauge!(Metric::InFlight.name()).set(self.0 as f64);
    }
}

/// A message had fields that the wire form does not know.
pub struct UnknownFields<'a> {
    /// The message.
    pub message_id: &'a str,
    /// How many.
    pub fields: usize,
}

impl UnknownFields<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::UnknownFields.name()).increment(self.fields as u64);
        debug!(message_id = self.message_id, fields = self.fields, "unknown fields left out");
    }
}

/// A message was analysed.
pub struct Analysed {
    /// How long it took, waiting included.
    pub took: Duration,
}

impl Analysed {
    /// Records it.
    pub fn emit(self) {
        histogram!(Metric::AnalysisTime.name()).record(self.took.as_secs_f64());
    }
}

/// A decision was to be explained and could not be.
pub struct Unexplained<'a> {
    /// The message.
    pub message_id: &'a str,
    /// The engine's error.
    pub error: &'a str,
}

impl Unexplained<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(message_id = self.message_id, error = self.error, "decision left without explanation");
    }
}

/// The engine failed and cues alone answered.
pub struct Degraded<'a> {
    /// The message.
    pub message_id: &'a str,
    /// The engine's error.
    pub error: &'a str,
}

impl Degraded<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Degraded.name()).increment(1);
        warn!(message_id = self.message_id, error = self.error, "analysed from cues alone");
    }
}

/// A message was decided, published and acked.
pub struct Decided<'a> {
    /// The message.
    pub message_id: &'a str,
    /// Its decision.
    pub decision_id: &'a str,
    /// Channel name.
    pub channel: &'static str,
    /// Priority level.
    pub priority: &'static str,
    /// It had been decided before.
    pub duplicate: bool,
    /// From receipt to settlement.
    pub took: Duration,
    /// Of the trace it is part of; empty for none.
    pub trace_id: &'a str,
}

impl Decided<'_> {
    /// Records it.
    pub fn emit(self) {
        if self.duplicate {
            counter!(Metric::Duplicates.name()).increment(1);
        } else {
            counter!(Metric::Decided.name(), "channel" => self.channel, "priority" => self.priority)
                .increment(1);
        }
        histogram!(Metric::Latency.name()).record(self.took.as_secs_f64());
        debug!(
            message_id = self.message_id,
            decision_id = self.decision_id,
            priority = self.priority,
            duplicate = self.duplicate,
            trace_id = self.trace_id,
            "message decided"
        );
    }
}

/// A decision took effect, with what it changes for the customer.
pub struct TookEffect<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// Names of the state changes and of the policy's events.
    pub events: Vec<&'a str>,
}

impl TookEffect<'_> {
    /// Records it.
    pub fn emit(self) {
        let route = &self.decision.route;
        let queue = route.queue.clone().unwrap_or_else(|| "none".to_owned());
        counter!(Metric::Routed.name(), "action" => route.action.as_str(), "queue" => queue).increment(1);
        if self.decision.analysis.abstained {
            counter!(Metric::Abstained.name()).increment(1);
        }
        for event in self.events {
            counter!(Metric::JourneyEvents.name(), "event" => event.to_owned()).increment(1);
        }
    }
}

/// A message was parked.
pub struct MessageParked<'a> {
    /// The AMQP message id, if it had one.
    pub message_id: &'a str,
    /// Error class.
    pub class: &'static str,
    /// Queue it came from.
    pub queue: &'a str,
}

impl MessageParked<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Parked.name(), "class" => self.class).increment(1);
        warn!(message_id = self.message_id, class = self.class, queue = self.queue, "message parked");
    }
}

/// A stage failed and is tried again.
pub struct Retrying<'a> {
    /// The message.
    pub message_id: &'a str,
    /// `analyse`, `commit`, `publish`…
    pub stage: &'static str,
    /// Tries so far.
    pub attempt: u32,
    /// The error, free of message text.
    pub error: &'a str,
}

impl Retrying<'_> {
    /// Records it.
    pub fn emit(self) {
        counter!(Metric::Retries.name(), "stage" => self.stage).increment(1);
        warn!(
            message_id = self.message_id,
            stage = self.stage,
            attempt = self.attempt,
            error = self.error,
            "stage failed, trying again"
        );
    }
}

/// A message was decided but its delivery could not be acked: the broker will deliver it again.
pub struct AckLost<'a> {
    /// The message.
    pub message_id: &'a str,
    /// The cause.
    pub error: &'a str,
}

impl AckLost<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(message_id = self.message_id, error = self.error, "ack lost, the message will come again");
    }
}

/// The policy was reloaded, or a bad one refused.
pub struct PolicyReload<'a> {
    /// The policy in force now.
    pub version: &'a str,
    /// Why the new one was refused.
    pub refused: Option<&'a str>,
}

impl PolicyReload<'_> {
    /// Records it.
    pub fn emit(self) {
        match self.refused {
            None => info!(policy = self.version, "policy reloaded"),
            Some(reason) => error!(policy = self.version, reason, "policy refused, the former one stays"),
        }
    }
}

/// The log has another filter, or a bad one was refused.
pub struct LogFilter<'a> {
    /// The filter of the configuration now.
    pub filter: &'a str,
    /// Why it is not taken.
    pub refused: Option<&'a str>,
}

impl LogFilter<'_> {
    /// Records it.
    pub fn emit(self) {
        match self.refused {
            None => info!(filter = self.filter, "log filter read again"),
            Some(reason) => error!(reason, "log filter refused, the former one stays"),
        }
    }
}

/// The thresholds were read again, or bad ones refused.
pub struct Retuned<'a> {
    /// Why they are not taken.
    pub refused: Option<&'a str>,
}

impl Retuned<'_> {
    /// Records it.
    pub fn emit(self) {
        match self.refused {
            None => info!("thresholds read again"),
            Some(reason) => error!(reason, "thresholds refused, the former ones stay"),
        }
    }
}
