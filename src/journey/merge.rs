//! Two histories of one person become one. As long as neither was cut short, the result is what folding all their
//! contacts as one customer's gives. Of histories that were cut short, what had been dropped is put together as well as
//! its sums allow: it ends where the later of the two ends.

use super::fold::{FoldSettings, added_up, key, step};
use super::goals::CLOSED;
use super::model::{Base, ClosedGoal, Contact, Journey, OpenGoal, Standing};
use super::stage::HISTORY;

/// Puts two histories together; the order does not matter.
pub fn merge(one: &Journey, other: &Journey, settings: &FoldSettings) -> Journey {
    if other.total_contacts == 0 {
        return one.clone();
    }
    if one.total_contacts == 0 {
        return other.clone();
    }
    let through = |journey: &Journey| journey.base.as_ref().map(|base| base.through.clone());
    let through = through(one).max(through(other));
    let (one_base, one_left) = split(one, through.as_ref(), settings);
    let (other_base, other_left) = split(other, through.as_ref(), settings);
    let mut contacts = one_left;
    let mut both = 0;
    for contact in other_left {
        if contacts.iter().any(|known| known.message_id == contact.message_id) {
            both += 1;
        } else {
            contacts.push(contact);
        }
    }
    contacts.sort_by(|a, b| key(a).cmp(&key(b)));
    let base = through.map(|through| {
        Box::new(Base {
            through,
            contacts: one_base.0 + other_base.0,
            standing: together(one_base, other_base),
        })
    });
    let total_contacts = one.total_contacts + other.total_contacts - both;
    let survey_due_at = one.survey_due_at.max(other.survey_due_at);
    added_up(Journey { contacts, total_contacts, base, survey_due_at, ..Journey::default() }, settings)
}

/// What a history adds up to as far as `through`, of how many contacts, and what comes after.
fn split(
    journey: &Journey,
    through: Option<&(chrono::DateTime<chrono::Utc>, String)>,
    settings: &FoldSettings,
) -> ((u64, Standing), Vec<Contact>) {
    let (mut count, mut standing) =
        journey.base.as_ref().map(|base| (base.contacts, base.standing.clone())).unwrap_or_default();
    let mut left = Vec::new();
    for contact in &journey.contacts {
        if through.is_some_and(|(at, id)| key(contact) <= (*at, id.as_str())) {
            step(&mut standing, contact, settings);
            count += 1;
        } else {
            left.push(contact.clone());
        }
    }
    ((count, standing), left)
}

/// Two sums as one: stage and time of the later one, scores by the number of contacts behind them, goals of both.
fn together(one: (u64, Standing), other: (u64, Standing)) -> Standing {
    let ((one_count, one), (other_count, other)) =
        if one.1.as_of >= other.1.as_of { (one, other) } else { (other, one) };
    if other.as_of.is_none() && other.open_goals.is_empty() && other.closed_goals.is_empty() {
        return one;
    }
    let share = {
        #[expect(clippy::cast_precision_loss, reason = "a number of contacts")]
        let (one, other) = (one_count as f32, other_count as f32);
        if one + other > 0.0 { one / (one + other) } else { 1.0 }
    };
    let mean = |one: f32, other: f32| one * share + other * (1.0 - share);
    let both = one.as_of.is_some() && other.as_of.is_some();
    let mut stage_history = [one.stage_history, other.stage_history].concat();
    stage_history.sort_by_key(|(at, stage)| (*at, *stage));
    stage_history.dedup_by_key(|(_, stage)| *stage);
    let excess = stage_history.len().saturating_sub(HISTORY);
    stage_history.drain(..excess);
    Standing {
        experience: if both { mean(one.experience, other.experience) } else { one.experience },
        effort: if both { mean(one.effort, other.effort) } else { one.effort },
        stage: one.stage.or(other.stage),
        stage_confidence: if one.stage.is_some() { one.stage_confidence } else { other.stage_confidence },
        stage_history,
        as_of: one.as_of,
        open_goals: goals(one.open_goals, other.open_goals),
        closed_goals: closed([one.closed_goals, other.closed_goals].concat()),
    }
}

fn goals(mut goals: Vec<OpenGoal>, others: Vec<OpenGoal>) -> Vec<OpenGoal> {
    for other in others {
        match goals.iter_mut().find(|goal| goal.intent == other.intent) {
            Some(goal) => {
                goal.since = goal.since.min(other.since);
                goal.conversations += other.conversations;
                goal.reopened += other.reopened;
                if other.last_at > goal.last_at {
                    goal.last_at = other.last_at;
                    goal.conversation_id = other.conversation_id;
                }
            }
            None => goals.push(other),
        }
    }
    goals.sort_by(|a, b| (a.since, &a.intent).cmp(&(b.since, &b.intent)));
    goals
}

fn closed(mut goals: Vec<ClosedGoal>) -> Vec<ClosedGoal> {
    goals.sort_by(|a, b| (a.at, &a.goal.intent).cmp(&(b.at, &b.goal.intent)));
    goals.drain(..goals.len().saturating_sub(CLOSED));
    goals
}
