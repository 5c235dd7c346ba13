//! Runs one schedule: workers that are killed, stopped, cut off and started again, a producer, and time that passes by
//! itself when all of them wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use smista::broker::Broker as _;
use smista::clock;
use smista::config::{Config, Explain, OnEngineFailure};
use smista::routing::{Policy, PolicyHandle};
use smista::telemetry::Health;
use smista::worker::{LaneContext, Pipeline, Settings, Summary};
use tokio_util::sync::CancellationToken;

use super::analysis::{SLOW, SimulatedAnalysis};
use super::broker::Connections;
use super::check;
use super::database::SimulatedStore;
use super::plan::{Kind, Message, Spec};
use super::queues::Held;
use super::world::{Mistake, Process, World};

/// Everything is settled so long after the last failure, or never.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Longer than it takes until the relay looks again.
const QUIET: Duration = Duration::from_secs(40);
/// As many times something may begin again when all seemed done.
const ROUNDS: u32 = 10;

/// Few rules, one of which publishes an event of its own.
const POLICY: &str = r#"
version = 1
name = "simulated"
time_zone = "Europe/Rome"
[defaults]
queue = "general"
[queues.general]
hours = ["always"]
sla = { normal = "8h" }
[[rules]]
name = "asked"
when = "intent == 'order.status'"
event = "asked"
reason = "Asked for an order"
"#;

/// How a schedule ended.
pub struct Outcome {
    pub violations: Vec<String>,
    /// Failures that it had.
    pub failures: Vec<String>,
    pub trace: Vec<String>,
    pub decided: usize,
    pub parked: usize,
    /// Of a message, at most.
    pub deliveries: u32,
}

/// Runs it on a clock of its own.
pub fn run(spec: &Spec, mistake: Mistake, traced: bool) -> Outcome {
    // Once, and with its faults told here.
    let _ = (policy(), config());
    let world = World::new(spec, mistake, traced);
    let ended = clock::simulated::run(play(&world)).unwrap();
    if ended.is_none() {
        world.violated("everything waits for ever".to_owned());
    }
    let mut ledger = std::mem::take(&mut *world.ledger.lock().unwrap());
    let database = world.database.lock().unwrap();
    let parked = &ledger.parked;
    Outcome {
        decided: world.plan.messages.iter().filter(|message| database.is_decided(&message.id)).count(),
        parked: parked.len(),
        deliveries: ledger.deliveries.values().copied().max().unwrap_or_default(),
        violations: std::mem::take(&mut ledger.violations),
        failures: std::mem::take(&mut world.chance.lock().unwrap().fired),
        trace: ledger.trace.take().unwrap_or_default(),
    }
}

/// What comes of it, if it comes in time.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = clock::sleep(limit) => None,
    }
}

/// One worker, and how it is stopped in order.
type Running = (Arc<Connections>, CancellationToken);

/// What is running.
struct Fleet {
    world: Arc<World>,
    /// By worker.
    running: Mutex<Vec<Option<Running>>>,
    over: AtomicBool,
    processes: AtomicUsize,
}

async fn play(world: &Arc<World>) {
    let fleet = Arc::new(Fleet {
        world: Arc::clone(world),
        running: Mutex::new(vec![const { None }; world.plan.workers]),
        over: AtomicBool::new(false),
        processes: AtomicUsize::new(0),
    });
    let workers: Vec<_> =
        (0..world.plan.workers).map(|worker| tokio::spawn(keep(Arc::clone(&fleet), worker))).collect();
    let producing = tokio::spawn(produce(Arc::clone(world)));
    let _ = within(world.plan.troubled, unrest(&fleet)).await;
    producing.await.unwrap();
    world.chance.lock().unwrap().calm = true;
    world.note(|| "calm from here on".to_owned());
    within(PATIENCE, come_to_rest(world)).await;
    fleet.over.store(true, Ordering::Relaxed);
    for running in fleet.running.lock().unwrap().iter().flatten() {
        running.1.cancel();
    }
    for worker in workers {
        match within(Duration::from_secs(60), worker).await {
            Some(Ok(())) => {}
            Some(Err(error)) => world.violated(format!("a worker ended badly: {error}")),
            None => world.violated("a worker does not stop".to_owned()),
        }
    }
    check::all(world);
}

/// Keeps one worker running, as an operator's service manager does.
async fn keep(fleet: Arc<Fleet>, worker: usize) {
    let mut run = 0;
    while !fleet.over.load(Ordering::Relaxed) {
        let number = fleet.processes.fetch_add(1, Ordering::Relaxed);
        let process = Process::new(Arc::clone(&fleet.world), number, format!("w{worker}.{run}"));
        let connections = Connections::new(Arc::clone(&process));
        let stop = CancellationToken::new();
        fleet.running.lock().unwrap()[worker] = Some((Arc::clone(&connections), stop.clone()));
        let mut service = tokio::spawn(serve(connections, stop));
        tokio::select! {
            biased;
            () = process.died() => {
                service.abort();
                let _ = service.await;
            }
            served = &mut service => {
                if let Err(error) = served {
                    fleet.world.violated(format!("a worker ended badly: {error}"));
                }
            }
        }
        fleet.running.lock().unwrap()[worker] = None;
        run += 1;
        fleet.world.pause("restart", &process.name).await;
    }
}

async fn serve(connections: Arc<Connections>, stop: CancellationToken) -> Summary {
    let process = &connections.process;
    let plan = &process.world.plan;
    let pipeline = Pipeline::new(
        Arc::new(SimulatedAnalysis(Arc::clone(process))),
        Arc::new(SimulatedStore(Arc::clone(process))),
        policy(),
        (&config().journey).into(),
        OnEngineFailure::Hold,
    );
    let context = Arc::new(LaneContext {
        pipeline: pipeline.explaining(Explain::Never),
        publisher: connections.publisher(),
        health: Health::default(),
        retry_attempts: 3,
        retry_backoff: Duration::from_millis(50),
        abandon: CancellationToken::new(),
        analysed: std::sync::atomic::AtomicU64::new(0),
    });
    let settings = Settings {
        prefetch: u16::try_from(plan.prefetch).unwrap(),
        max_in_flight: plan.prefetch * plan.shards,
        lanes: plan.lanes,
        shutdown_timeout: Duration::from_secs(10),
        inbox_days: 30,
        identity_key: Arc::from(b"key".as_slice()),
    };
    let broker: Arc<Connections> = Arc::clone(&connections);
    smista::worker::run(broker, context, settings, stop).await.unwrap()
}

fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| Config::load(None).unwrap())
}

fn policy() -> Arc<PolicyHandle> {
    static HANDLE: OnceLock<Arc<PolicyHandle>> = OnceLock::new();
    let handle =
        HANDLE.get_or_init(|| Arc::new(PolicyHandle::new(Policy::from_text(POLICY, "policy").unwrap())));
    Arc::clone(handle)
}

/// Cuts connections, stops workers in order, gives shards away.
async fn unrest(fleet: &Fleet) {
    let (world, rate) = (&fleet.world, fleet.world.plan.rates.unrest);
    if rate == 0 {
        std::future::pending::<()>().await;
    }
    loop {
        clock::sleep(Duration::from_millis(250)).await;
        for worker in 0..world.plan.workers {
            let name = format!("w{worker}");
            let Some((connections, stop)) = fleet.running.lock().unwrap()[worker].clone() else { continue };
            if world.strikes("cut", &name, rate) {
                connections.cut();
            }
            if world.strikes("stop", &name, rate) {
                world.ledger.lock().unwrap().disruptions += 1;
                stop.cancel();
            }
            for shard in 0..world.plan.shards {
                if world.strikes(&format!("give-away-{shard}"), &name, rate) {
                    connections.give_away(shard);
                }
            }
        }
    }
}

async fn produce(world: Arc<World>) {
    let mut copies = Vec::new();
    for message in &world.plan.messages {
        clock::sleep(message.gap).await;
        send(&world, message);
        if let Some(later) = message.again {
            let (world, message) = (Arc::clone(&world), message.clone());
            copies.push(tokio::spawn(async move {
                clock::sleep(later).await;
                send(&world, &message);
            }));
        }
    }
    for copy in copies {
        copy.await.unwrap();
    }
}

fn send(world: &World, message: &Message) {
    let Message { id, customer, kind, .. } = message;
    let body = match kind {
        Kind::Malformed => "{".to_owned(),
        _ => format!(
            r#"{{"schema":"smista.interaction.v1","message_id":"{id}","conversation_id":"k{customer}","customer_id":"c{customer}","channel":"chat","sent_at":"2026-05-14T18:45:00Z","text":"hello"}}"#
        ),
    };
    world.note(|| format!("{id} of c{customer} is sent ({kind:?})"));
    let held = Held {
        id: id.clone(),
        key: format!("c{customer}"),
        body: Arc::from(body.into_bytes()),
        deliveries: 0,
    };
    world.queues.lock().unwrap().push(customer % world.plan.shards, held);
    world.changed.notify_waiters();
}

/// Until nothing is left to do and nothing happens for a while. A worker that was cut off may still be at something
/// that another has done, and begin again.
async fn come_to_rest(world: &World) {
    let slow = if world.plan.one_is_slow { SLOW } else { Duration::ZERO };
    let is_settled = || {
        world.queues.lock().unwrap().is_empty()
            && world.database.lock().unwrap().unsent().is_empty()
            && world.elapsed() > slow
    };
    for _ in 0..ROUNDS {
        while !is_settled() {
            clock::sleep(Duration::from_millis(500)).await;
        }
        let arrivals = world.ledger.lock().unwrap().arrivals;
        clock::sleep(QUIET).await;
        if is_settled() && world.ledger.lock().unwrap().arrivals == arrivals {
            return;
        }
    }
    world.violated("I7: something is published again and again".to_owned());
}
