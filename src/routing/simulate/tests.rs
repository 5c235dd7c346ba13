use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::routing::compile::DEFAULT;

fn example() -> Decision {
    serde_json::from_str(include_str!("../../../tests/data/decision.json")).unwrap()
}

fn with(from: &str, to: &str) -> Policy {
    assert!(DEFAULT.contains(from));
    Policy::from_text(&DEFAULT.replace(from, to), "new").unwrap()
}

#[test]
fn only_what_differs_is_counted() {
    let (old, new) =
        (Policy::embedded_default().unwrap(), with("queue = \"technical\"", "queue = \"general\""));
    let mut same = Simulation::default();
    same.add(&example(), None, &old, &old);
    assert_eq!((same.decisions, same.changed, same.not_as_recorded), (1, 0, 0));
    assert!(same.moves.is_empty() && same.biggest.is_empty(), "{same:?}");

    let mut simulation = Simulation::default();
    simulation.add(&example(), None, &old, &new);
    let written = serde_json::to_value(&simulation).unwrap();
    assert_eq!(
        written["moves"],
        json!([{"what": "queue", "from": "technical", "to": "general", "count": 1}])
    );
    assert_eq!((&written["changed"], &written["examples"]), (&json!(1), &json!(["01JQ8Z3M5T9W2K"])));
    assert_eq!(
        written["queues"],
        json!({"general": {"before": 0, "after": 1}, "technical": {"before": 1, "after": 0}})
    );
    assert_eq!(written["priorities"], json!({"urgent": {"before": 1, "after": 1}}));
    assert_eq!(written["biggest"][0]["size"], 5);
}

#[test]
fn answers_are_counted_in_the_hour_they_are_due() {
    let old = Policy::embedded_default().unwrap();
    let new = with("time_zone = \"Europe/Rome\"", "time_zone = \"Asia/Tokyo\"");
    let mut simulation = Simulation::default();
    simulation.add(&example(), None, &old, &new);
    let load = &simulation.load["technical"];
    assert_eq!((load.before.iter().sum::<u64>(), load.after.iter().sum::<u64>()), (1, 1));
    let due = simulation.sent.unwrap().0;
    assert!(due < old.decide(&Facts::from_decision(&example())).route.sla_due_at.unwrap());
    let hour = old.decide(&Facts::from_decision(&example())).route.sla_due_at.unwrap();
    let hour = hour.with_timezone(&chrono_tz::Asia::Tokyo).hour() as usize;
    assert_eq!(load.before[hour], 1, "in the new policy's time zone: {load:?}");
}

#[test]
fn the_biggest_changes_come_first_and_are_few() {
    let old = Policy::embedded_default().unwrap();
    let none = "version = 1\nname = \"none\"\nmatch = \"all\"\ntime_zone = \"UTC\"\n[defaults]\npriority = \"low\"\nqueue = \"general\"\nlanguage = \"en\"\n[queues.general]\nhours = [\"always\"]\n";
    let new = Policy::from_text(none, "none").unwrap();
    let mut simulation = Simulation::default();
    for at in 0..50 {
        let mut decision = example();
        decision.message_id = format!("m{at:02}");
        if at % 2 == 0 {
            // Nothing that would raise it: a small change.
            decision.analysis.signals.clear();
            decision.analysis.intents.clear();
            decision.analysis.emotions.clear();
            decision.journey.repeat_contact = Default::default();
        }
        simulation.add(&decision, None, &old, &new);
    }
    assert_eq!(simulation.decisions, 50);
    assert_eq!(simulation.biggest.len(), TOLD);
    let sizes: Vec<u32> = simulation.biggest.iter().map(|change| change.size).collect();
    assert!(sizes.is_sorted_by(|one, next| one >= next), "{sizes:?}");
    assert_eq!(simulation.biggest[0].message_id, "m01", "of equal ones the first");
    assert!(!simulation.biggest[0].rules_lost.is_empty());
}

#[test]
fn many_of_one_kind_leave_room_for_others() {
    let old = Policy::embedded_default().unwrap();
    let none = "version = 1\nname = \"none\"\nmatch = \"all\"\ntime_zone = \"UTC\"\n[defaults]\npriority = \"low\"\nqueue = \"general\"\nlanguage = \"en\"\n[queues.general]\nhours = [\"always\"]\n";
    let new = Policy::from_text(none, "none").unwrap();
    let mut simulation = Simulation::default();
    for at in 0..100 {
        let mut decision = example();
        decision.message_id = format!("m{at:03}");
        if at == 90 {
            decision.analysis.signals.clear();
            decision.analysis.intents.clear();
            decision.analysis.emotions.clear();
            decision.journey.repeat_contact = Default::default();
        }
        simulation.add(&decision, None, &old, &new);
    }
    assert_eq!(simulation.biggest.len(), TOLD);
    let alike: Vec<u64> = simulation.biggest.iter().map(|change| change.alike).collect();
    assert_eq!(alike[0], 99, "{alike:?}");
    let other = simulation.biggest.iter().find(|change| change.message_id == "m090").unwrap();
    assert_eq!(other.alike, 1);
    assert!(simulation.biggest.iter().any(|change| change.message_id == "m000"), "the first of a kind stays");
}

fn level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["chat", "email", "call", "sms", "review"])
}

proptest! {
    /// The policy in force changes nothing, whatever the facts.
    #[test]
    fn the_same_policy_changes_nothing(
        score in -1.0_f32..1.0,
        effort in 0.0_f32..1.0,
        experience in 0_u8..=100,
        keep in prop::collection::vec(any::<bool>(), 8),
        channel in level(),
        repeat in any::<bool>(),
    ) {
        let policy = Policy::embedded_default().unwrap();
        let mut decision = example();
        decision.analysis.sentiment.score = score;
        decision.analysis.effort = effort;
        decision.journey.experience.score = experience;
        decision.journey.repeat_contact.is_repeat = repeat;
        decision.channel = serde_json::from_value(json!(channel)).unwrap();
        let mut kept = keep.iter().copied().cycle();
        decision.analysis.signals.retain(|_| kept.next().unwrap());
        decision.analysis.intents.retain(|_| kept.next().unwrap());
        let mut simulation = Simulation::default();
        simulation.add(&decision, None, &policy, &policy);
        prop_assert_eq!((simulation.changed, simulation.due_sooner, simulation.due_later), (0, 0, 0));
        prop_assert!(simulation.moves.is_empty() && simulation.biggest.is_empty());
        for pair in simulation.queues.values().chain(simulation.priorities.values()).chain(simulation.flags.values()) {
            prop_assert_eq!(pair.before, pair.after);
        }
        for load in simulation.load.values() {
            prop_assert_eq!(load.before, load.after);
        }
    }

    /// Every message is counted once under either policy.
    #[test]
    fn counts_add_up(scores in prop::collection::vec(-1.0_f32..1.0, 1..20)) {
        let (old, new) = (Policy::embedded_default().unwrap(), with("queue = \"technical\"", "queue = \"general\""));
        let mut simulation = Simulation::default();
        for score in &scores {
            let mut decision = example();
            decision.analysis.sentiment.score = *score;
            simulation.add(&decision, None, &old, &new);
        }
        let all = scores.len() as u64;
        let sums = |pairs: Vec<&Pair>| {
            (pairs.iter().map(|pair| pair.before).sum::<u64>(), pairs.iter().map(|pair| pair.after).sum::<u64>())
        };
        prop_assert_eq!(sums(simulation.queues.values().collect()), (all, all));
        prop_assert_eq!(sums(simulation.priorities.values().collect()), (all, all));
        prop_assert_eq!(sums(simulation.actions.values().collect()), (all, all));
    }
}
