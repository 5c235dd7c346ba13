//! The worker itself: takes deliveries, parses them into lanes, keeps lanes busy, and stops in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lane::{LaneContext, Left, Work};
use super::lanes::Lanes;
use super::parking::Refusal;
use super::stall::{Change, Stall};
use super::{relay, retention, share};
use crate::broker::{Broker, BrokerError, BrokerState, Delivery};
use crate::clock;
use crate::interaction::{self, Interaction, Mode, ParseContext};
use crate::telemetry::events;
use crate::telemetry::health::{Health, Part};

/// A body above this is parsed on a blocking thread, so that its cleaning does not hold up the runtime's.
const LARGE_BODY: usize = 64 * 1024;

/// How often to look whether work goes on.
const LOOK: Duration = Duration::from_secs(1);

/// What the service needs beside its lanes.
pub struct Settings {
    /// Unsettled deliveries per queue.
    pub prefetch: u16,
    /// Deliveries held at most. Reconnecting leaves work of dead channels in the lanes, so prefetch alone is no bound.
    pub max_in_flight: usize,
    /// Customers at work at the same time.
    pub lanes: usize,
    /// Longest time to finish what is under way once asked to stop.
    pub shutdown_timeout: Duration,
    /// Days that messages are remembered.
    pub inbox_days: u16,
    /// Keys the hashes of identities.
    pub identity_key: Arc<[u8]>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Decided and acked.
    pub decided: u64,
    /// Decided before, acked.
    pub duplicates: u64,
    /// Parked.
    pub parked: u64,
    /// From before their customer was erased; acked without an effect.
    pub erased: u64,
    /// Left to the broker.
    pub given_back: u64,
}

impl Summary {
    fn count(&mut self, left: Left) {
        match left {
            Left::Decided => self.decided += 1,
            Left::Duplicate => self.duplicates += 1,
            Left::Parked => self.parked += 1,
            Left::Erased => self.erased += 1,
            Left::GivenBack => self.given_back += 1,
        }
    }
}

/// Works until `stop`, then finishes what is under way within the time allowed and closes the broker.
pub async fn run(
    broker: Arc<dyn Broker>,
    context: Arc<LaneContext>,
    settings: Settings,
    stop: CancellationToken,
) -> Result<Summary, BrokerError> {
    let mut consumer = broker.consume(settings.prefetch).await?;
    let background = CancellationToken::new();
    let watching =
        tokio::spawn(watch_broker(Arc::clone(&broker), context.health.clone(), background.clone()));
    let relaying = tokio::spawn(relay::run(
        Arc::clone(context.pipeline.store()),
        Arc::clone(&context.publisher),
        background.clone(),
    ));
    let forgetting = tokio::spawn(retention::run(
        Arc::clone(context.pipeline.store()),
        settings.inbox_days,
        context.pipeline.topic_hours(),
        background.clone(),
    ));
    let sharing = consumer.shards().map(|shards| {
        tokio::spawn(share::run(Arc::clone(context.pipeline.store()), shards, background.clone()))
    });

    let mut lanes: Lanes<Work> = Lanes::new(settings.lanes);
    let mut at_work: JoinSet<(String, Left)> = JoinSet::new();
    let mut summary = Summary::default();
    let mut arrivals: u64 = 0;
    let mut stall = Stall::new(Instant::now());
    let mut look = std::pin::pin!(clock::sleep(LOOK));
    loop {
        while let Some((key, work)) = lanes.start() {
            let context = Arc::clone(&context);
            at_work.spawn(async move { (key, context.run(work).await) });
        }
        events::InFlight(lanes.running() + lanes.waiting()).emit();
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = at_work.join_next() => {
                finish(done, &mut lanes, &mut summary);
                stall.progress(Instant::now());
            }
            () = look.as_mut() => {
                tell_stall(&mut stall, &lanes, &context.health);
                look.set(clock::sleep(LOOK));
            }
            delivery = consumer.next(), if lanes.running() + lanes.waiting() < settings.max_in_flight => {
                let Some(delivery) = delivery else { break };
                arrivals += 1;
                let (key, work) = receive(delivery, arrivals, &settings.identity_key).await;
                lanes.push(key, work);
            }
        }
    }

    events::WorkerStopping { in_flight: lanes.running() }.emit();
    background.cancel();
    consumer.stop().await;
    // Work not started stays unsettled: the broker delivers it to somebody else once the channel closes.
    summary.given_back += lanes.drain_waiting().len() as u64;
    let deadline = clock::sleep(settings.shutdown_timeout);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            biased;
            done = at_work.join_next() => match done {
                Some(done) => finish(done, &mut lanes, &mut summary),
                None => break,
            },
            () = &mut deadline, if !context.abandon.is_cancelled() => {
                context.abandon.cancel();
                summary.given_back += at_work.len() as u64;
                at_work.shutdown().await;
            }
        }
    }
    context.abandon.cancel();
    context.pipeline.acquit().await;
    if let Some(canary) = context.pipeline.canary() {
        canary.close().await;
    }
    let _ = tokio::join!(watching, relaying, forgetting);
    if let Some(sharing) = sharing {
        let _ = sharing.await;
    }
    drop(consumer);
    broker.close().await;
    let Summary { decided, duplicates, parked, given_back, .. } = summary;
    events::WorkerStopped { decided, duplicates, parked, given_back }.emit();
    Ok(summary)
}

/// A worker that stands still goes on trying, and says so.
fn tell_stall(stall: &mut Stall, lanes: &Lanes<Work>, health: &Health) {
    let under_way = lanes.running() + lanes.waiting();
    let stalled = match stall.look(under_way, Instant::now()) {
        None => return,
        Some(Change::Stalled(since)) => Some(since),
        Some(Change::Moving) => None,
    };
    events::Stalled { since: stalled, under_way }.emit();
    match stalled {
        Some(since) => {
            let detail = format!("{under_way} messages under way, none finished for {} s", since.as_secs());
            health.set(Part::Work, false, detail);
        }
        None => health.set(Part::Work, true, "going on"),
    }
}

fn finish(
    done: Result<(String, Left), tokio::task::JoinError>,
    lanes: &mut Lanes<Work>,
    summary: &mut Summary,
) {
    // A lane's task never panics (it guards its stages) and is aborted only after the loop that reads its end.
    if let Ok((key, left)) = done {
        lanes.finish(&key);
        summary.count(left);
    }
}

/// Parses a delivery and names its lane. A refused message gets a lane of its own: nobody waits for its parking.
async fn receive(delivery: Delivery, arrival: u64, identity_key: &Arc<[u8]>) -> (String, Work) {
    events::Received.emit();
    let received = Instant::now();
    let (body, meta, settler) = delivery.into_parts();
    let body = Arc::new(body);
    let parsed = parse(Arc::clone(&body), meta.received_at, Arc::clone(identity_key)).await;
    let key = match &parsed {
        Ok(interaction) => {
            if !interaction.unknown_fields.is_empty() {
                let fields = interaction.unknown_fields.len();
                events::UnknownFields { message_id: &interaction.message_id, fields }.emit();
            }
            interaction.routing_key().to_owned()
        }
        Err(_) => format!("\0refused/{arrival}"),
    };
    (key, Work { meta, body, settler, received, parsed })
}

async fn parse(
    body: Arc<Vec<u8>>,
    received_at: DateTime<Utc>,
    identity_key: Arc<[u8]>,
) -> Result<Box<Interaction>, Refusal> {
    let large = body.len() > LARGE_BODY;
    let parse = move || {
        let context = ParseContext { received_at, identity_key: &identity_key, mode: Mode::Queue };
        let parse = std::panic::AssertUnwindSafe(|| interaction::parse(&body, &context));
        match std::panic::catch_unwind(parse) {
            Ok(parsed) => parsed.map(Box::new).map_err(|error| Refusal::from(&error)),
            Err(_) => Err(unreadable()),
        }
    };
    if large {
        tokio::task::spawn_blocking(parse).await.unwrap_or_else(|_| Err(unreadable()))
    } else {
        parse()
    }
}

fn unreadable() -> Refusal {
    Refusal {
        class: "internal_error",
        error: "parsing panicked on this message; the log of that time has the place".to_owned(),
    }
}

/// Carries the broker's state to health and log until `stop`.
pub async fn watch_broker(broker: Arc<dyn Broker>, health: Health, stop: CancellationToken) {
    let mut state = broker.state();
    loop {
        let (link, detail) = match &*state.borrow_and_update() {
            BrokerState::Connected => (events::BrokerLink::Up, "connected".to_owned()),
            BrokerState::Connecting(error) => (events::BrokerLink::Down, format!("connecting: {error}")),
            BrokerState::Blocked(reason) => (events::BrokerLink::Blocked, format!("blocked: {reason}")),
            BrokerState::TopologyMissing(fault) => (events::BrokerLink::Down, format!("topology: {fault}")),
            BrokerState::Closed => (events::BrokerLink::Down, "closed".to_owned()),
        };
        let up = link == events::BrokerLink::Up;
        // The first attempt is under way: nothing to report yet.
        let starting = detail == "connecting: ";
        if !starting {
            events::BrokerChanged { link, detail: &detail }.emit();
        }
        health.set(Part::Broker, up, detail);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}
