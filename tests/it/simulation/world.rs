//! What the simulated parts share: the queues, the database, the failures, and a ledger of what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smista::clock;
use tokio::sync::Notify;

use super::chance::Chance;
use super::database::Database;
use super::plan::{Plan, Spec};
use super::queues::Queues;

/// A mistake built in on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// A publish counts as confirmed before it is: the ack comes first.
    AckBeforeConfirm,
    /// The broker takes every delivery for settled.
    AckOnDelivery,
    /// A delivery that is dropped counts as done.
    DropIsAck,
    /// The inbox forgets what was decided.
    InboxForgets,
    /// What comes back to a queue goes behind the rest.
    RequeueBehind,
    /// Rows count as published without being so.
    MarkedUnpublished,
    /// Nobody asks whether the engine works at all when a message fails.
    EngineNotProbed,
}

pub struct World {
    pub plan: Plan,
    pub mistake: Mistake,
    pub chance: Mutex<Chance>,
    pub queues: Mutex<Queues>,
    pub database: Mutex<Database>,
    pub ledger: Mutex<Ledger>,
    /// Rung after every change of the queues.
    pub changed: Notify,
}

/// What has happened.
#[derive(Default)]
pub struct Ledger {
    /// What was found wrong while it happened.
    pub violations: Vec<String>,
    /// Bodies that the broker has confirmed, by id, in order of their first coming.
    pub published: Vec<String>,
    pub bodies: BTreeMap<String, Vec<u8>>,
    /// Classes under which a message was parked.
    pub parked: BTreeMap<String, BTreeSet<String>>,
    /// Deliveries of each message.
    pub deliveries: BTreeMap<String, u32>,
    /// Failed tries to analyse it.
    pub failed: BTreeMap<String, u32>,
    /// Kills, cut connections, stops, shards given away.
    pub disruptions: u32,
    /// Publishes that arrived.
    pub arrivals: u64,
    pub trace: Option<Vec<String>>,
}

impl World {
    pub fn new(spec: &Spec, mistake: Mistake, traced: bool) -> Arc<Self> {
        let plan = Plan::of(spec);
        Arc::new(Self {
            mistake,
            chance: Mutex::new(Chance::new(spec.seed, spec.only.clone())),
            queues: Mutex::new(Queues::new(plan.shards)),
            database: Mutex::default(),
            ledger: Mutex::new(Ledger { trace: traced.then(Vec::new), ..Ledger::default() }),
            changed: Notify::new(),
            plan,
        })
    }

    pub fn strikes(&self, point: &str, subject: &str, per_mille: u64) -> bool {
        let struck = self.chance.lock().unwrap().strikes(point, subject, per_mille);
        if struck {
            self.note(|| format!("! {point} {subject}"));
        }
        struck
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.ledger.lock().unwrap().trace {
            trace.push(format!("{:>9.3} {}", self.elapsed().as_secs_f64(), what()));
        }
    }

    pub fn violated(&self, what: String) {
        self.note(|| format!("*** {what}"));
        self.ledger.lock().unwrap().violations.push(what);
    }

    pub fn elapsed(&self) -> Duration {
        clock::simulated::now().unwrap_or_default()
    }

    /// Some time goes by.
    pub async fn pause(&self, point: &str, subject: &str) {
        let pause = self.chance.lock().unwrap().number(point, subject, self.plan.pause_ms + 1);
        clock::sleep(Duration::from_millis(pause)).await;
    }
}

/// One run of a worker program: what a killed one has begun never comes back.
pub struct Process {
    pub world: Arc<World>,
    /// Of this run.
    pub number: usize,
    pub name: String,
    dead: AtomicBool,
    died: Notify,
}

impl Process {
    pub fn new(world: Arc<World>, number: usize, name: String) -> Arc<Self> {
        Arc::new(Self { world, number, name, dead: AtomicBool::new(false), died: Notify::new() })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.died.notify_one();
        self.world.note(|| format!("{} killed", self.name));
        self.world.ledger.lock().unwrap().disruptions += 1;
        self.world.queues.lock().unwrap().disconnect(&self.world, self.number);
        self.world.changed.notify_waiters();
    }

    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// A place where the program may be killed. Does not return when it is dead.
    pub async fn pass(&self, point: &str, subject: &str) {
        let rate = self.world.plan.rates.kill;
        if rate > 0 && !self.is_dead() && self.world.strikes(&format!("kill-{point}"), subject, rate) {
            self.die();
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// The same after some time.
    pub async fn step(&self, point: &str, subject: &str) {
        self.world.pause(point, subject).await;
        self.pass(point, subject).await;
    }
}
