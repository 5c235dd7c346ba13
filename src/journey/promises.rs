//! What the contact centre promised, by when, and whether the contacts tell that it was not kept.
//!
//! A promise is taken as kept until a later contact of the customer speaks against it: they say so, of a promise or of
//! what this one was about, once it was due or in so many words; or, once it was due, they say that they have been in
//! touch before, bring the same problem to another conversation, or complain where the promise was made. A later
//! message of an agent in that conversation, or one that says that it was done wherever, counts as the promise kept,
//! unless the customer says otherwise. What the customer says was done was kept for good.

use chrono::{DateTime, Duration, Utc};

use super::due::due;
use super::fold::FoldSettings;
use super::goals;
use super::matters::{Act, Matter};
use super::model::{Contact, Outcome, Promise};
use super::repeat;
use crate::interaction::Author;
use crate::nlp::labels::SignalKind;

/// Promises shown, the latest.
const SHOWN: usize = 5;
/// An agent's message so soon after a promise is part of the same talk and keeps nothing.
const SAME_TALK_MINUTES: i64 = 60;
/// From here on a customer's message is a complaint.
const UNHAPPY: f32 = -0.3;

/// A promise and when it has to be kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub promise: Promise,
    pub due: DateTime<Utc>,
}

/// The latest promises made in these contacts, oldest first.
pub(super) fn list(contacts: &[Contact], settings: &FoldSettings) -> Vec<Made> {
    let texts = contacts
        .iter()
        .enumerate()
        .flat_map(|(index, contact)| contact.promises.iter().map(move |text| (index, contact, text)));
    // Whether it was kept is looked up for those that are shown only.
    let latest: Vec<_> = texts.rev().take(SHOWN).collect();
    let made = latest.into_iter().rev().map(|(index, contact, text)| {
        let due = due(text, contact.at, settings.zone);
        let later = contacts.get(index + 1..).unwrap_or_default();
        let about = matter_of(contacts.get(..index).unwrap_or_default(), contact);
        let kept = !broken(contact, about, text, due, later, settings);
        let conversation_id = contact.conversation_id.clone();
        let promise = Promise { text: text.clone(), conversation_id, at: contact.at, kept, due: Some(due) };
        Made { promise, due }
    });
    made.collect()
}

/// What a promise is about: what the customer says in the message that has it. An agent's own message has no intents: then
/// what the customer last wanted, in that conversation or before it.
fn matter_of<'a>(earlier: &'a [Contact], made_in: &'a Contact) -> &'a Contact {
    if made_in.author == Author::Customer {
        return made_in;
    }
    let wanted = || earlier.iter().rev().filter(|other| other.counts() && !other.intents.is_empty());
    let here = wanted().find(|other| other.conversation_id == made_in.conversation_id);
    here.or_else(|| wanted().next()).unwrap_or(made_in)
}

fn broken(
    made_in: &Contact,
    about: &Contact,
    text: &str,
    due: DateTime<Utc>,
    later: &[Contact],
    settings: &FoldSettings,
) -> bool {
    let (matters, acts): (Vec<Matter>, Vec<Act>) =
        (Matter::named(text).collect(), Act::named(text).collect());
    let shares = |those: &[Matter]| those.iter().any(|matter| matters.contains(matter));
    let mut kept = false;
    for contact in later.iter().filter(|contact| !contact.auto_reply) {
        let here = contact.conversation_id == made_in.conversation_id;
        if contact.author == Author::Agent {
            let another_talk = contact.at - made_in.at >= Duration::minutes(SAME_TALK_MINUTES);
            kept |= another_talk && (here || shares(&contact.settles));
            continue;
        }
        if contact.author != Author::Customer {
            continue;
        }
        let said = &contact.of_promise;
        let done = goals::closes(contact) || contact.outcome == Outcome::Resolved;
        if said.done.iter().any(|act| acts.contains(act))
            || (done && (shares(&contact.settles) || (contact.settles.is_empty() && here)))
        {
            return false;
        }
        if goals::closes(contact) {
            continue;
        }
        let same = || repeat::same_matter(about, contact, settings);
        let again =
            || contact.signals.contains(&SignalKind::RepeatContact) || (here && complains(contact)) || same();
        let concerns = || {
            said.by_name
                || here
                || shares(&said.about)
                || (contact.promise_unkept && acts.contains(&Act::Call))
                || contact.signals.contains(&SignalKind::RepeatContact)
                || same()
        };
        let is_over = contact.at > due || said.by_name;
        let denied = (contact.promise_unkept || said.missing) && is_over && concerns();
        if denied || (!kept && contact.at > due && again()) {
            return true;
        }
    }
    false
}

fn complains(contact: &Contact) -> bool {
    contact.sentiment <= UNHAPPY || contact.intents.iter().any(|intent| intent.name == "complaint")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::{about, days, settings};

    #[test]
    fn kept_or_not() {
        let mut call = about("1", "p1", "technical.problem", 2.0);
        call.promises.push("A colleague will ring you tomorrow morning".to_owned());
        let chat = about("2", "k1", "technical.problem", 4.0);
        let check = |what: &str, later: &[Contact], kept: bool| {
            let contacts = [vec![call.clone()], later.to_vec()].concat();
            let made = list(&contacts, &settings());
            assert_eq!(made.iter().map(|made| made.promise.kept).collect::<Vec<_>>(), [kept], "{what}");
        };
        let with = |change: fn(&mut Contact)| {
            let mut contact = chat.clone();
            change(&mut contact);
            contact
        };
        check("nothing since", &[], true);
        check("the same problem after it was due", std::slice::from_ref(&chat), false);
        check("the same problem before it was due", &[with(|c| c.at = days(2.5))], true);
        check(
            "says so before it was due, of the promise",
            &[with(|c| {
                c.at = days(2.5);
                (c.promise_unkept, c.of_promise.by_name) = (true, true);
            })],
            false,
        );
        check(
            "nobody called, before it was due",
            &[with(|c| {
                c.at = days(2.5);
                c.promise_unkept = true
            })],
            true,
        );
        check(
            "something else has not come",
            &[with(|c| {
                c.intents.clear();
                c.of_promise.missing = true
            })],
            true,
        );
        check(
            "nobody called, about whatever",
            &[with(|c| {
                c.intents.clear();
                c.promise_unkept = true
            })],
            false,
        );
        check(
            "they called, and much later it is broken again",
            &[
                with(|c| {
                    c.at = days(3.0);
                    c.of_promise.done = vec![Act::Call]
                }),
                about("4", "k9", "technical.problem", 20.0),
            ],
            true,
        );
        check("another problem", &[about("2", "k1", "billing.dispute", 4.0)], true);
        check(
            "says it is a repeat",
            &[with(|c| {
                c.intents.clear();
                c.signals.push(SignalKind::RepeatContact)
            })],
            false,
        );
        check(
            "good news",
            &[with(|c| {
                c.sentiment = 0.8;
                c.outcome = Outcome::Resolved
            })],
            true,
        );
        check("a machine", &[with(|c| c.auto_reply = true)], true);
        check(
            "unhappy in the same conversation",
            &[with(|c| {
                c.conversation_id = "p1".into();
                c.intents.clear();
                c.sentiment = -0.6
            })],
            false,
        );
        check(
            "a question in the same conversation",
            &[with(|c| {
                c.conversation_id = "p1".into();
                c.intents.clear();
                c.sentiment = 0.0
            })],
            true,
        );
        let agent = |day: f64| {
            let mut c = about("3", "p1", "other", day);
            c.author = Author::Agent;
            c
        };
        check("the agent came back", &[agent(3.0), chat.clone()], true);
        check("the agent was still talking", &[agent(2.01), chat.clone()], false);
        check(
            "the agent came back, the customer denies it",
            &[agent(3.0), with(|c| c.promise_unkept = true)],
            false,
        );
    }
}
