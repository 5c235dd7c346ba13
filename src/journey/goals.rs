//! What the customer wants and has not got yet.
//!
//! A customer's contact opens a goal by its first intent that asks for something; the same intent again, in whatever
//! conversation, is the same goal. It is met when the customer says that it is done, or is thankful or pleased about it,
//! or when the contact centre says in its own words that it was done, here or, where those words tell which, elsewhere; a question is answered by an agent's message; the
//! contact centre may close it; the customer may give it up; and so does silence, noticed at the next contact. A problem
//! that comes back within the days of a repeat goes on from where it began. Auto-replies open and close nothing.

use chrono::{DateTime, Utc};

use super::experience::days_between;
use super::fold::FoldSettings;
use super::matters::Matter;
use super::model::{ClosedGoal, Closing, Contact, OpenGoal, Outcome};
use crate::interaction::Author;
use crate::nlp::labels::SignalKind;
use crate::nlp::understanding::GoalKind;

/// From here on a message about a goal is good news.
const PLEASED: f32 = 0.4;
/// A problem is given up after so many times the days within which a contact counts as a repeat; a question after one.
const PATIENCE: f64 = 3.0;
/// Closed goals kept.
pub(super) const CLOSED: usize = 8;

/// Kind of goal that an intent opens; none for what asks for nothing. Tenants' own intents ask for an answer unless the
/// analysis knows better.
fn kind_of(intent: &str) -> Option<GoalKind> {
    Some(match intent {
        "praise" | "feedback.suggestion" | "smalltalk" | "other" => return None,
        "delivery.problem" | "return.request" | "refund.request" | "refund.status" | "payment.problem"
        | "billing.dispute" | "account.access" | "security.fraud" | "privacy.request"
        | "technical.problem" | "technical.outage" | "setup.help" | "complaint" | "agent.request" => {
            GoalKind::Solve
        }
        "order.change"
        | "order.cancel"
        | "account.update"
        | "account.close"
        | "subscription.change"
        | "subscription.cancel"
        | "subscription.renew"
        | "appointment.manage" => GoalKind::Change,
        "order.place" | "account.open" => GoalKind::Buy,
        "product.compare" => GoalKind::Compare,
        _ => GoalKind::Ask,
    })
}

/// Whether the same intent twice is the same problem twice; two questions about prices need not be.
pub(super) fn is_problem(intent: &str) -> bool {
    matches!(kind_of(intent), Some(GoalKind::Solve | GoalKind::Change))
}

/// The goal a contact opens. A complaint or the wish for a human stands only when nothing more specific is said.
fn opened_by(contact: &Contact) -> Option<(GoalKind, &str)> {
    let names = || contact.intents.iter().map(|intent| intent.name.as_str());
    let specific = names().find(|name| kind_of(name).is_some() && !is_vague(name));
    let intent = specific.or_else(|| names().find(|name| kind_of(name).is_some()))?;
    let kind = match contact.goal {
        Some(GoalKind::Praise) | None => kind_of(intent)?,
        Some(kind) => kind,
    };
    Some((kind, intent))
}

pub(super) fn is_vague(intent: &str) -> bool {
    matches!(intent, "complaint" | "agent.request")
}

/// Goals open, and those closed of late.
pub(super) struct Goals<'a> {
    pub open: &'a mut Vec<OpenGoal>,
    pub closed: &'a mut Vec<ClosedGoal>,
}

impl Goals<'_> {
    /// Closes the open goals that are meant.
    fn close(&mut self, at: DateTime<Utc>, how: Closing, meant: impl Fn(&OpenGoal) -> bool) {
        let (gone, left) = std::mem::take(self.open).into_iter().partition(|goal| meant(goal));
        *self.open = left;
        self.closed.extend(Vec::into_iter(gone).map(|goal| ClosedGoal { goal, at, how }));
        let excess = self.closed.len().saturating_sub(CLOSED);
        self.closed.drain(..excess);
    }

    /// The same; who has bought has no more questions about buying.
    fn met(&mut self, at: DateTime<Utc>, how: Closing, meant: impl Fn(&OpenGoal) -> bool) {
        let bought = self.open.iter().any(|goal| goal.kind == GoalKind::Buy && meant(goal));
        self.close(at, how, meant);
        if bought && how == Closing::Met {
            self.close(at, how, |goal| goal.intent.starts_with("product."));
        }
    }

    fn open(&mut self, kind: GoalKind, intent: &str, contact: &Contact, settings: &FoldSettings) {
        if let Some(goal) = self.open.iter_mut().find(|goal| goal.intent == intent) {
            if goal.conversation_id != contact.conversation_id {
                goal.conversation_id.clone_from(&contact.conversation_id);
                goal.conversations += 1;
            }
            goal.last_at = contact.at;
            return;
        }
        let back = self.closed.iter().rposition(|closed| {
            closed.goal.intent == intent
                && is_problem(intent)
                && closed.how != Closing::Silence
                && days_between(closed.at, contact.at) <= f64::from(settings.repeat_days)
        });
        let goal = match back.map(|index| self.closed.remove(index).goal) {
            Some(before) => OpenGoal {
                conversations: before.conversations
                    + u32::from(before.conversation_id != contact.conversation_id),
                reopened: before.reopened + 1,
                conversation_id: contact.conversation_id.clone(),
                last_at: contact.at,
                ..before
            },
            None => OpenGoal {
                kind,
                intent: intent.to_owned(),
                since: contact.at,
                conversation_id: contact.conversation_id.clone(),
                last_at: contact.at,
                conversations: 1,
                reopened: 0,
            },
        };
        self.open.push(goal);
    }
}

/// Opens and closes goals by one contact.
pub(super) fn apply(goals: &mut Goals<'_>, contact: &Contact, settings: &FoldSettings) {
    if contact.auto_reply {
        return;
    }
    let at = contact.at;
    goals.close(at, Closing::Silence, |goal| days_between(goal.last_at, at) > patience(goal.kind, settings));
    let here = |goal: &OpenGoal| goal.conversation_id == contact.conversation_id;
    if contact.author != Author::Customer {
        match contact.outcome {
            Outcome::Resolved if goals.open.iter().any(here) => goals.met(at, Closing::Met, here),
            Outcome::Resolved => goals.met(at, Closing::Met, |goal| settles(contact, goal)),
            Outcome::Closed => goals.close(at, Closing::ByAgent, here),
            _ if contact.answers => {
                let asks = |goal: &OpenGoal| matches!(goal.kind, GoalKind::Ask | GoalKind::Compare);
                goals.close(at, Closing::Answered, |goal| here(goal) && asks(goal));
            }
            _ => (),
        }
        return;
    }
    // "It works again, but now my bill is wrong": one ends, the other begins, whatever the mood.
    let wish = opened_by(contact).filter(|_| !contact.is_survey());
    let other = wish.filter(|(_, intent)| {
        let matter = Matter::of(intent);
        is_problem(intent) && matter.is_some_and(|matter| !contact.settles.contains(&matter))
    });
    let settles_one =
        contact.outcome == Outcome::Resolved && goals.open.iter().any(|goal| settles(contact, goal));
    if closes(contact) || (settles_one && other.is_some()) {
        close(goals, contact);
        if let Some((kind, intent)) = other.filter(|_| settles_one) {
            goals.open(kind, intent, contact, settings);
        }
    } else if let Some((kind, intent)) = wish {
        goals.open(kind, intent, contact, settings);
    }
}

/// Whether the words of an end are about what this goal is about.
fn settles(contact: &Contact, goal: &OpenGoal) -> bool {
    Matter::of(&goal.intent).is_some_and(|matter| contact.settles.contains(&matter))
}

fn patience(kind: GoalKind, settings: &FoldSettings) -> f64 {
    let days = f64::from(settings.repeat_days);
    if matches!(kind, GoalKind::Solve | GoalKind::Change) { PATIENCE * days } else { days }
}

/// Whether a customer's contact is good news or an end rather than a wish.
pub(super) fn closes(contact: &Contact) -> bool {
    let unhappy = contact.sentiment < 0.0;
    match contact.outcome {
        Outcome::Resolved => !unhappy,
        Outcome::GivenUp => true,
        Outcome::None | Outcome::Closed => {
            let thankful = contact.gratitude || contact.signals.contains(&SignalKind::Praise);
            contact.sentiment >= PLEASED || (thankful && !unhappy && contact.sentiment > 0.2)
        }
    }
}

/// What is meant: what the words of the end are about, with a dispute that a refund was asked for after; else goals of the
/// intents named; else those of this conversation; else, when the customer says outright that it is over, the one brought
/// up last.
fn close(goals: &mut Goals<'_>, contact: &Contact) {
    let at = contact.at;
    let how = if contact.outcome == Outcome::GivenUp { Closing::GivenUp } else { Closing::Met };
    let named = |goal: &OpenGoal| contact.intents.iter().any(|intent| intent.name == goal.intent);
    let here = |goal: &OpenGoal| goal.conversation_id == contact.conversation_id;
    let outright = contact.outcome != Outcome::None;
    let last = goals.open.iter().max_by_key(|goal| (goal.last_at, goal.since)).filter(|_| outright).cloned();
    let refunded = goals
        .open
        .iter()
        .filter(|goal| settles(contact, goal))
        .find(|goal| Matter::of(&goal.intent) == Some(Matter::Refund));
    let refunded = refunded.map(|goal| goal.since);
    let disputed = |goal: &OpenGoal| {
        Matter::of(&goal.intent) == Some(Matter::Billing) && refunded.is_some_and(|since| goal.since <= since)
    };
    if contact.outcome == Outcome::Resolved && goals.open.iter().any(|goal| settles(contact, goal)) {
        goals.met(at, how, |goal| settles(contact, goal) || disputed(goal));
    } else if goals.open.iter().any(named) {
        goals.met(at, how, named);
    } else if goals.open.iter().any(here) {
        goals.met(at, how, here);
    } else if let Some(last) = last {
        goals.met(at, how, |goal| *goal == last);
    }
}

/// The open goal that a contact is about: by its intents, else the one last brought up in its conversation.
pub(super) fn concerning<'a>(goals: &'a [OpenGoal], contact: &Contact) -> Option<&'a OpenGoal> {
    let named = |goal: &&OpenGoal| contact.intents.iter().any(|intent| intent.name == goal.intent);
    let here = |goal: &&OpenGoal| goal.conversation_id == contact.conversation_id;
    goals.iter().find(named).or_else(|| goals.iter().filter(here).max_by_key(|goal| goal.last_at))
}

/// What the contact itself is after.
pub(super) fn wanted(contact: &Contact) -> Option<GoalKind> {
    contact.goal.or_else(|| opened_by(contact).map(|(kind, _)| kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::{about, contact, days, settings};
    use crate::nlp::labels::INTENTS;

    fn check(what: &str, contacts: &[Contact], expected: &[&str]) {
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for contact in contacts {
            apply(&mut Goals { open: &mut open, closed: &mut closed }, contact, &settings());
        }
        let open: Vec<&str> = open.iter().map(|goal| goal.intent.as_str()).collect();
        assert_eq!(open, expected, "{what}");
    }

    fn saying(mut contact: Contact, outcome: Outcome) -> Contact {
        contact.outcome = outcome;
        contact
    }

    #[test]
    fn every_core_intent_is_placed() {
        let without: Vec<&str> = INTENTS.into_iter().filter(|intent| kind_of(intent).is_none()).collect();
        assert_eq!(without, ["praise", "feedback.suggestion", "smalltalk", "other"]);
    }

    #[test]
    fn opening() {
        let fault = about("1", "a", "technical.problem", 0.0);
        check("a problem", std::slice::from_ref(&fault), &["technical.problem"]);
        check("again", &[fault.clone(), about("2", "b", "technical.problem", 1.0)], &["technical.problem"]);
        check(
            "two problems",
            &[fault, about("2", "b", "billing.dispute", 1.0)],
            &["technical.problem", "billing.dispute"],
        );
        check("praise", &[about("1", "a", "praise", 0.0)], &[]);
        let mut complaint = about("1", "a", "complaint", 0.0);
        complaint.intents.extend(about("1", "a", "delivery.problem", 0.0).intents);
        check("the specific one", &[complaint], &["delivery.problem"]);
        let mut machine = about("1", "a", "technical.problem", 0.0);
        machine.auto_reply = true;
        check("an auto-reply", &[machine], &[]);
        let mut agent = about("1", "a", "technical.problem", 0.0);
        agent.author = Author::Agent;
        check("the contact centre", &[agent], &[]);
    }

    #[test]
    fn closing() {
        let fault = about("1", "a", "technical.problem", 0.0);
        let bill = about("2", "b", "billing.dispute", 1.0);
        let at = |mut contact: Contact, day: f64| {
            contact.at = days(day);
            contact
        };
        let plain = |conversation: &str, sentiment: f32| at(contact("9", conversation, sentiment), 2.0);
        let both = [fault.clone(), bill.clone()];
        let after = |last: Contact| [both.to_vec(), vec![last]].concat();
        check("done, here", &after(saying(plain("b", 0.3), Outcome::Resolved)), &["technical.problem"]);
        check(
            "done, elsewhere: the last one",
            &after(saying(plain("z", 0.3), Outcome::Resolved)),
            &["technical.problem"],
        );
        check("never mind", &after(saying(plain("a", -0.2), Outcome::GivenUp)), &["billing.dispute"]);
        check(
            "pleased about the same",
            &after({
                let mut c = about("9", "z", "technical.problem", 2.0);
                c.sentiment = 0.7;
                c
            }),
            &["billing.dispute"],
        );
        check("pleased in general", &after(plain("z", 0.9)), &["technical.problem", "billing.dispute"]);
        let mut thanks = plain("a", 0.3);
        thanks.gratitude = true;
        check("thankful here", &after(thanks.clone()), &["billing.dispute"]);
        thanks.sentiment = -0.6;
        check("thanks with a sting", &after(thanks), &["technical.problem", "billing.dispute"]);
        let mut agent = saying(plain("a", 0.0), Outcome::Resolved);
        agent.author = Author::Agent;
        check("the agent says it is done", &after(agent), &["billing.dispute"]);
        let mut machine = saying(plain("a", 0.5), Outcome::Resolved);
        machine.auto_reply = true;
        check("an auto-reply", &after(machine), &["technical.problem", "billing.dispute"]);
        check(
            "not done at all",
            &after(saying(plain("b", -0.5), Outcome::Resolved)),
            &["technical.problem", "billing.dispute"],
        );
    }

    #[test]
    fn giving_up() {
        let ask = about("1", "a", "product.price", 0.0);
        let fault = about("2", "b", "technical.problem", 0.0);
        let both = |day: f64| {
            [ask.clone(), fault.clone(), {
                let mut c = contact("9", "z", 0.0);
                c.at = days(day);
                c
            }]
        };
        check("soon", &both(29.0), &["product.price", "technical.problem"]);
        check("a question after a month", &both(31.0), &["technical.problem"]);
        check("a problem after three", &both(91.0), &[]);
    }
}
