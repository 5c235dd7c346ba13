//! What a simulation counted, in the order that people read it.

use std::collections::BTreeMap;

use super::{Hours, Pair, Simulation};

/// Queues whose hours are shown; the rest is only counted.
const QUEUES_SHOWN: usize = 8;

/// A heading with its rows.
pub type Group = (&'static str, Vec<(String, Pair)>);

/// What is counted under both: `priority`, `action`, `queue`, `flag`; without those that have nothing.
pub fn groups(simulation: &Simulation) -> Vec<Group> {
    let named =
        |pairs: &BTreeMap<String, Pair>| pairs.iter().map(|(name, pair)| (name.clone(), *pair)).collect();
    let levels = simulation.priorities.iter().rev().map(|(level, pair)| (level.as_str().to_owned(), *pair));
    let actions = simulation.actions.iter().map(|(action, pair)| ((*action).to_owned(), *pair));
    let mut groups = vec![
        ("priority", levels.collect()),
        ("action", actions.collect()),
        ("queue", named(&simulation.queues)),
        ("flag", named(&simulation.flags)),
    ];
    groups.retain(|(_, rows): &Group| !rows.is_empty());
    groups
}

/// The queues with the most answers due first, all others as one.
pub fn busiest(load: &BTreeMap<String, Pair<Hours>>) -> Vec<(String, Pair<Hours>)> {
    let sum = |pair: &Pair<Hours>| pair.before.iter().chain(&pair.after).sum::<u64>();
    let mut queues: Vec<_> = load.iter().map(|(queue, pair)| (queue.clone(), *pair)).collect();
    queues.sort_by_key(|(_, pair)| std::cmp::Reverse(sum(pair)));
    if queues.len() > QUEUES_SHOWN {
        let rest = queues.split_off(QUEUES_SHOWN - 1);
        let mut all = Pair::<Hours>::default();
        for (_, pair) in &rest {
            all.before.iter_mut().zip(pair.before).for_each(|(sum, count)| *sum += count);
            all.after.iter_mut().zip(pair.after).for_each(|(sum, count)| *sum += count);
        }
        queues.push((format!("{} others", rest.len()), all));
    }
    queues
}

/// `+3`, `-3`, or nothing.
pub fn change(pair: Pair) -> String {
    match pair.after.cmp(&pair.before) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!("+{}", pair.after - pair.before),
        std::cmp::Ordering::Less => format!("-{}", pair.before - pair.after),
    }
}
