//! The worker's own code (lanes, retries, publishing, settling, relay) on random schedules: a simulated broker, database
//! and analysis that fail, delay, duplicate, and workers that are killed and started again, on a clock that jumps. The
//! invariants I1, I2, I3 and I7 are checked after each schedule, some at every step.
//!
//! `SMISTA_SIMULATION_SCHEDULES` sets how many, `SMISTA_SIMULATION_FROM` the first seed, and `SMISTA_SIMULATION_SEED`
//! replays one, with everything that happens in it.

mod analysis;
mod broker;
mod chance;
mod check;
mod database;
mod plan;
mod queues;
mod run;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plan::Spec;
use run::{Outcome, run};
use world::Mistake;

const SCHEDULES: u64 = 10_000;
const SEED: &str = "SMISTA_SIMULATION_SEED";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Runs seeds on all processors until one fails or all are done.
fn search(seeds: std::ops::Range<u64>, mistake: Mistake, seen: &(dyn Fn(&Outcome) + Sync)) -> Option<u64> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(None::<u64>);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failed.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(&Spec::of(seed), mistake, false);
                    seen(&outcome);
                    if !outcome.violations.is_empty() {
                        failed.lock().unwrap().get_or_insert(seed);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

/// The fewest messages and failures that still go wrong, found by leaving out one after another.
fn shrink(seed: u64, mistake: Mistake) -> (Spec, Outcome) {
    let fails = |spec: &Spec| {
        let outcome = run(spec, mistake, true);
        (!outcome.violations.is_empty()).then_some(outcome)
    };
    let mut spec = Spec::of(seed);
    let mut outcome = fails(&spec).unwrap();
    let count = plan::Plan::of(&spec).messages.len();
    for messages in 1..count {
        let fewer = Spec { messages: Some(messages), ..spec.clone() };
        if let Some(smaller) = fails(&fewer) {
            (spec, outcome) = (fewer, smaller);
            break;
        }
    }
    for round in 0..3 {
        let mut needed: BTreeSet<String> = outcome.failures.iter().cloned().collect();
        let before = needed.len();
        for failure in needed.clone() {
            needed.remove(&failure);
            let without = Spec { only: Some(needed.clone()), ..spec.clone() };
            match fails(&without) {
                Some(smaller) => (spec, outcome) = (without, smaller),
                None => {
                    needed.insert(failure);
                }
            }
        }
        if round > 0 && outcome.failures.len() == before {
            break;
        }
    }
    (spec, outcome)
}

fn report(spec: &Spec, outcome: &Outcome) -> String {
    format!(
        "{}\n\n{}\n\nagain: {SEED}='{spec}' cargo nextest run --no-default-features --test it simulation::replays --no-capture",
        outcome.trace.join("\n"),
        outcome.violations.join("\n")
    )
}

#[test]
fn the_invariants_hold_on_random_schedules() {
    let from = setting("SMISTA_SIMULATION_FROM", 0);
    let schedules = setting("SMISTA_SIMULATION_SCHEDULES", SCHEDULES);
    let totals = Mutex::new([0usize; 4]);
    let started = std::time::Instant::now();
    let failed = search(from..from + schedules, Mistake::None, &|outcome| {
        let [decided, parked, failures, redelivered] = &mut *totals.lock().unwrap();
        *decided += outcome.decided;
        *parked += outcome.parked;
        *failures += outcome.failures.len();
        *redelivered += usize::from(outcome.deliveries > 1);
    });
    if let Some(seed) = failed {
        let (spec, outcome) = shrink(seed, Mistake::None);
        panic!("schedule {seed} breaks an invariant; made smaller:\n{}", report(&spec, &outcome));
    }
    let [decided, parked, failures, redelivered] = totals.into_inner().unwrap();
    eprintln!(
        "{schedules} schedules in {:.1?}: {decided} decided, {parked} parked, {failures} failures, \
         {redelivered} schedules with redeliveries",
        started.elapsed()
    );
    // A simulation in which nothing happens proves nothing.
    let schedules = usize::try_from(schedules).unwrap();
    assert!(decided > 2 * schedules && parked > schedules / 10, "{decided} decided, {parked} parked");
    assert!(failures > schedules && redelivered > schedules / 5, "{failures} failures, {redelivered}");
}

#[test]
fn replays() {
    let Ok(text) = std::env::var(SEED) else { return };
    let spec = text.parse().unwrap();
    let outcome = run(&spec, Mistake::None, true);
    println!("{}", report(&spec, &outcome));
    assert!(outcome.violations.is_empty(), "{}", outcome.violations.join("\n"));
}

#[test]
fn a_seed_always_makes_the_same_schedule() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(&Spec::of(seed), Mistake::None, true));
        assert!(!first.trace.is_empty());
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.failures, second.failures);
    }
}

#[test]
fn built_in_mistakes_are_found_and_made_small() {
    let check = |mistake: Mistake, invariant: &str| {
        let seed = search(0..2000, mistake, &|_| ());
        let seed = seed.unwrap_or_else(|| panic!("{mistake:?} was not found"));
        let (spec, outcome) = shrink(seed, mistake);
        assert!(
            outcome.violations.iter().any(|violation| violation.starts_with(invariant)),
            "{mistake:?}: {:?}",
            outcome.violations
        );
        let again = run(&spec.to_string().parse().unwrap(), mistake, false);
        assert_eq!(again.violations, outcome.violations, "{mistake:?} does not repeat");
        let messages = plan::Plan::of(&spec).messages.len();
        println!("{mistake:?}: {spec} ({messages} messages): {}", outcome.violations[0]);
    };
    check(Mistake::AckBeforeConfirm, "I1");
    check(Mistake::AckOnDelivery, "I7");
    check(Mistake::DropIsAck, "I7");
    check(Mistake::InboxForgets, "I2");
    check(Mistake::RequeueBehind, "I3");
    check(Mistake::MarkedUnpublished, "I1");
    check(Mistake::EngineNotProbed, "I7");
}
