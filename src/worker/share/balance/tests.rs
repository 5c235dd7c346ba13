use proptest::prelude::*;

use super::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("worker-{n:02}")).collect()
}

fn loads(owners: &[usize], workers: usize) -> Vec<usize> {
    (0..workers).map(|worker| owners.iter().filter(|owner| **owner == worker).count()).collect()
}

#[test]
fn everybody_gets_as_much_as_anybody_or_one_more() {
    for workers in 1..12 {
        for shards in 1..40 {
            let loads = loads(&owners(&names(workers), shards), workers);
            assert_eq!(loads.iter().sum::<usize>(), shards);
            assert!(
                loads.iter().all(|load| (shards / workers..=shards.div_ceil(workers)).contains(load)),
                "{loads:?}"
            );
        }
    }
}

#[test]
fn few_shards_move_when_a_worker_comes_or_goes() {
    let shards = 32;
    let (mut moved, mut needed) = (0, 0);
    for workers in 2..10 {
        let (fewer, more) = (names(workers), names(workers + 1));
        let (before, after) = (owners(&fewer, shards), owners(&more, shards));
        moved += before.iter().zip(&after).filter(|(before, after)| before != after).count();
        needed += loads(&after, workers + 1)[workers];
    }
    assert!(moved <= needed * 2, "{moved} moved, {needed} had to");
}

/// A queue's line of consumers, the active one first: worker, number of its place, whether it was served.
type Line = Vec<(usize, u64, bool)>;

/// Workers over lines as a broker keeps them.
struct World {
    now: Instant,
    lines: Vec<Line>,
    next_number: u64,
    team: Vec<Option<(Balance, i64)>>,
    /// Lines of the list, a dead worker's too.
    list: BTreeMap<String, Attendance>,
    /// Shards that changed their active consumer.
    handed_over: usize,
}

impl World {
    fn new(shards: usize) -> Self {
        Self {
            now: Instant::now(),
            lines: vec![Line::new(); shards],
            next_number: 0,
            team: Vec::new(),
            list: BTreeMap::new(),
            handed_over: 0,
        }
    }

    fn join(&mut self) {
        let worker = self.team.len();
        self.team.push(Some((Balance::new(format!("worker-{worker:02}"), Patience::default()), 0)));
        for line in &mut self.lines {
            self.next_number += 1;
            line.push((worker, self.next_number, false));
        }
    }

    /// As by kill -9: its line in the list stays.
    fn die(&mut self, worker: usize) {
        self.team[worker] = None;
        for line in &mut self.lines {
            line.retain(|(consumer, _, _)| *consumer != worker);
        }
    }

    /// Its connection broke and came back: it stands at the end of every line.
    fn reconnect(&mut self, worker: usize) {
        for shard in 0..self.lines.len() {
            self.go_to_end(worker, shard);
        }
    }

    fn go_to_end(&mut self, worker: usize, shard: usize) {
        self.next_number += 1;
        let line = &mut self.lines[shard];
        let place = line.iter().position(|(consumer, _, _)| *consumer == worker).unwrap();
        if place == 0 && line.len() > 1 {
            self.handed_over += 1;
        }
        line.remove(place);
        line.push((worker, self.next_number, false));
    }

    /// A second goes by; every shard has traffic.
    fn tick(&mut self) {
        self.now += Duration::from_secs(1);
        for line in &mut self.lines {
            if let Some(first) = line.first_mut() {
                first.2 = true;
            }
        }
        for worker in 0..self.team.len() {
            let places = self.places(worker);
            let Some((balance, beat)) = &mut self.team[worker] else { continue };
            *beat += 1;
            let row = Attendance {
                worker: balance.me.clone(),
                beat: *beat,
                places: places.iter().map(|place| place.number).collect(),
            };
            self.list.insert(row.worker.clone(), row);
            for gone in balance.look(self.list.values().cloned().collect(), self.now) {
                self.list.remove(&gone.worker);
            }
            for shard in balance.surplus(&places, self.now) {
                self.go_to_end(worker, shard);
            }
        }
    }

    fn places(&self, worker: usize) -> Vec<Place> {
        let place = |line: &Line| {
            let (_, number, active) = line.iter().find(|(consumer, _, _)| *consumer == worker).copied()?;
            Some(Place { number, active, moving: false })
        };
        self.lines.iter().filter_map(place).collect()
    }

    fn active(&self) -> Vec<usize> {
        self.lines.iter().map(|line| line.first().map_or(usize::MAX, |(worker, _, _)| *worker)).collect()
    }

    fn settle(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.tick();
        }
    }

    fn assert_shared(&self, what: &str) {
        let living: Vec<usize> = (0..self.team.len()).filter(|worker| self.team[*worker].is_some()).collect();
        let names: Vec<String> = living.iter().map(|worker| format!("worker-{worker:02}")).collect();
        let planned: Vec<usize> =
            owners(&names, self.lines.len()).into_iter().map(|owner| living[owner]).collect();
        assert_eq!(self.active(), planned, "{what}");
    }
}

#[test]
fn a_second_worker_takes_half_and_each_shard_moves_once() {
    let mut world = World::new(4);
    world.join();
    world.settle(3);
    assert_eq!(world.active(), [0; 4]);
    world.join();
    world.settle(6);
    world.assert_shared("two workers");
    assert_eq!(world.handed_over, 2);
    world.settle(600);
    assert_eq!(world.handed_over, 2, "nothing moves without need");
}

#[test]
fn a_large_team_moves_each_shard_about_once() {
    let mut world = World::new(48);
    world.join();
    world.settle(5);
    for _ in 0..7 {
        world.join();
    }
    world.settle(8);
    world.assert_shared("eight workers");
    let moved = world.active().iter().filter(|worker| **worker != 0).count();
    assert!(world.handed_over <= moved + 4, "{} steps for {moved} shards", world.handed_over);
}

#[test]
fn the_dead_are_noticed_and_forgotten() {
    let mut world = World::new(8);
    world.join();
    world.join();
    world.join();
    world.settle(8);
    world.assert_shared("three workers");
    world.die(1);
    assert!(
        world.active().iter().all(|worker| *worker != 1),
        "the broker has the next one take over at once"
    );
    world.settle(12);
    world.assert_shared("two of three");
    assert_eq!(world.list.len(), 3);
    world.settle(60);
    assert_eq!(world.list.len(), 2);
}

#[test]
fn a_database_that_was_away_kills_nobody() {
    let mut world = World::new(6);
    world.join();
    world.join();
    world.settle(8);
    let before = world.handed_over;
    // Nobody could look or show itself.
    world.now += Duration::from_secs(300);
    world.settle(60);
    assert_eq!(world.handed_over, before);
    world.assert_shared("as before");
}

#[test]
fn a_worker_of_another_number_of_shards_shares_nothing() {
    let now = Instant::now();
    let mut balance = Balance::new("me".into(), Patience::default());
    let row = |worker: &str, places: Vec<u64>| Attendance { worker: worker.into(), beat: 1, places };
    balance.look(vec![row("me", vec![1, 2]), row("other", vec![1, 2, 3])], now);
    let places = [1, 2].map(|number| Place { number, active: true, moving: false });
    assert!(balance.surplus(&places, now + Duration::from_secs(3)).is_empty());
    assert_eq!(balance.share(), (1, 2));
}

#[derive(Debug, Clone)]
enum Step {
    Join,
    Die(usize),
    Reconnect(usize),
    Wait(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Join),
        (0usize..6).prop_map(Step::Die),
        (0usize..6).prop_map(Step::Reconnect),
        (0usize..12).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever comes and goes: left alone, the plan comes true.
    #[test]
    fn the_plan_comes_true(steps in steps(), shards in 2usize..9) {
        let mut world = World::new(shards);
        world.join();
        for step in steps {
            let living: Vec<usize> = (0..world.team.len()).filter(|worker| world.team[*worker].is_some()).collect();
            match step {
                Step::Join => world.join(),
                Step::Die(which) if living.len() > 1 => world.die(living[which % living.len()]),
                Step::Reconnect(which) => world.reconnect(living[which % living.len()]),
                Step::Die(_) => {}
                Step::Wait(seconds) => world.settle(seconds),
            }
        }
        world.settle(40);
        world.assert_shared("after all");
        let moved = world.handed_over;
        world.settle(400);
        prop_assert_eq!(world.handed_over, moved, "nothing moves without need");
    }
}
