//! What must hold when everything has come to rest.

use smista::routing::Decision;

use super::plan::{Kind, Plan};
use super::world::{Ledger, World};

/// Checks the invariants that can only be seen at the end. I1 is checked at every ack.
pub fn all(world: &World) {
    let mut found = Vec::new();
    {
        let ledger = world.ledger.lock().unwrap();
        every_message_ends(world, &ledger, &mut found);
        one_effect(world, &ledger, &mut found);
        in_order(world, &ledger, &mut found);
        nobody_waits(world, &mut found);
    }
    found.into_iter().for_each(|violation| world.violated(violation));
}

/// I7: decided or parked, nothing left over, nothing looped.
fn every_message_ends(world: &World, ledger: &Ledger, found: &mut Vec<String>) {
    let database = world.database.lock().unwrap();
    if !world.queues.lock().unwrap().is_empty() {
        found.push("I7: the queues are not empty".to_owned());
    }
    let unsent = database.unsent();
    if !unsent.is_empty() {
        found.push(format!("I7: not published: {unsent:?}"));
    }
    for message in &world.plan.messages {
        let id = &message.id;
        let decided = database.is_decided(id);
        let classes = ledger.parked.get(id);
        if !decided && classes.is_none() {
            found.push(format!("I7: {id} is neither decided nor parked"));
        }
        if decided && message.kind != Kind::Good && message.kind != Kind::Slow {
            found.push(format!("I7: {id} was decided, which is {:?}", message.kind));
        }
        for class in classes.into_iter().flatten() {
            let due = match (class.as_str(), message.kind) {
                ("delivery_limit", _) => {
                    ledger.deliveries.get(id).is_some_and(|times| *times > world.plan.delivery_limit)
                }
                ("analysis_failed", Kind::Good | Kind::Poison) => {
                    ledger.failed.get(id).is_some_and(|times| *times >= 3)
                }
                ("not_json", kind) => kind == Kind::Malformed,
                ("not_analysable", kind) => kind == Kind::Unfit,
                ("internal_error", kind) => kind == Kind::Panics,
                _ => false,
            };
            if !due {
                found.push(format!("I7: {id}, which is {:?}, was parked as {class}", message.kind));
            }
        }
        let copies = 1 + u32::from(message.again.is_some());
        let times = ledger.deliveries.get(id).copied().unwrap_or_default();
        if times > copies * (1 + ledger.disruptions) {
            found.push(format!("I7: {id} was delivered {times} times in {} disruptions", ledger.disruptions));
        }
    }
}

/// I2: committed once, and everything that a message publishes is what its one effect says.
fn one_effect(world: &World, ledger: &Ledger, found: &mut Vec<String>) {
    let database = world.database.lock().unwrap();
    for message in &world.plan.messages {
        let id = &message.id;
        let effects = database.commits.values().flatten().filter(|commit| commit.message == *id).count();
        if effects > 1 {
            found.push(format!("I2: {id} took effect {effects} times"));
        }
        let Some(decision) = database.decision(id) else { continue };
        if decision.decision_id != Decision::id_for(id, 1) {
            found.push(format!("I2: {id} has decision {}", decision.decision_id));
        }
        let missing = database.outbox_of(id).unwrap_or_default();
        let missing: Vec<_> = missing.into_iter().filter(|row| !ledger.bodies.contains_key(row)).collect();
        if !missing.is_empty() {
            found.push(format!("I7: {id} lacks {missing:?}"));
        }
    }
    for (customer, commits) in &database.commits {
        for pair in commits.windows(2) {
            if pair[0].after != pair[1].before {
                let [first, second] = [&pair[0].message, &pair[1].message];
                found.push(format!("I2: {customer}: {second} knows nothing of {first}"));
            }
        }
    }
}

/// I3: effects and first publishes of a customer in the order of sending. A message that was parked has left its place.
fn in_order(world: &World, ledger: &Ledger, found: &mut Vec<String>) {
    let database = world.database.lock().unwrap();
    let place = |id: &str| world.plan.messages.iter().position(|message| message.id == id);
    let kept = |id: &String| !ledger.parked.contains_key(id);
    for (customer, commits) in &database.commits {
        let order: Vec<_> = commits.iter().map(|commit| commit.message.clone()).filter(kept).collect();
        if !order.is_sorted_by_key(|id| place(id)) {
            found.push(format!("I3: {customer}: in effect as {order:?}"));
        }
    }
    for customer in customers(&world.plan) {
        let own = world.plan.messages.iter().filter(|message| message.customer == customer);
        let ids: Vec<String> = own.map(|message| message.id.clone()).filter(kept).collect();
        let published = |id: &String| {
            let decision = Decision::id_for(id, 1).to_string();
            ledger.published.iter().position(|published| *published == decision)
        };
        let places: Vec<usize> = ids.iter().filter_map(published).collect();
        if !places.is_sorted() {
            found.push(format!("I3: c{customer}: {ids:?} were published as {places:?}"));
        }
    }
}

fn customers(plan: &Plan) -> impl Iterator<Item = usize> {
    0..=plan.messages.iter().map(|message| message.customer).max().unwrap_or_default()
}

/// I3: while one customer's message takes long, everybody else's are decided.
fn nobody_waits(world: &World, found: &mut Vec<String>) {
    let Some(slow) = world.plan.messages.iter().find(|message| message.kind == Kind::Slow) else { return };
    let database = world.database.lock().unwrap();
    let all = || database.commits.values().flatten();
    let Some(end) = all().find(|commit| commit.message == slow.id).map(|commit| commit.at) else { return };
    for commit in all() {
        let other = world.plan.message(&commit.message).customer != slow.customer;
        if other && commit.at > end {
            found.push(format!("I3: {} waited for {} of another customer", commit.message, slow.id));
        }
    }
}
