//! Is it the same problem again? The customer counts, not the channel: another conversation within the configured days
//! with the same problem intent, or a text that means nearly the same, or the customer saying so.

use super::experience::days_between;
use super::fold::FoldSettings;
use super::goals;
use super::model::{Base, Cited, Contact, OpenGoal, RepeatContact, SameBy};
use super::vector;
use crate::nlp::labels::SignalKind;

/// A customer who says within one conversation that they have been in touch before counts when the earlier message of
/// that conversation is so old, in days, that it was another attempt and not the same sitting.
const ANOTHER_ATTEMPT_DAYS: f64 = 1.0;

/// Earlier messages cited, the latest.
const CITED: usize = 10;

/// Looks among the contacts before `current`, oldest first, for the same problem. Of contacts no longer kept, the open
/// goal they left behind (in `base`) tells how many conversations there were.
pub(super) fn find(
    earlier: &[Contact],
    base: Option<&Base>,
    current: &Contact,
    settings: &FoldSettings,
) -> RepeatContact {
    if !current.counts() || !brings_a_problem(current) {
        return RepeatContact::default();
    }
    let recent: Vec<&Contact> = earlier
        .iter()
        .filter(|contact| contact.counts() && brings_a_problem(contact))
        .filter(|contact| days_between(contact.at, current.at) <= f64::from(settings.repeat_days))
        .collect();
    let elsewhere = |contact: &&&Contact| contact.conversation_id != current.conversation_id;
    let mut of: Vec<(&Contact, SameBy)> = recent
        .iter()
        .filter(elsewhere)
        .filter_map(|contact| {
            same_problem(contact, current, settings.repeat_similarity).map(|by| (*contact, by))
        })
        .collect();
    if of.is_empty() && current.signals.contains(&SignalKind::RepeatContact) {
        let another_attempt =
            |contact: &&&Contact| days_between(contact.at, current.at) >= ANOTHER_ATTEMPT_DAYS;
        // What was a problem then, before what was a question.
        let is_problem = |contact: &&&Contact| {
            contact.intents.first().is_some_and(|intent| goals::is_problem(&intent.name))
        };
        let latest = || recent.iter().rev().filter(elsewhere);
        let said = latest().find(is_problem).or_else(|| latest().next());
        let said = said.or_else(|| recent.iter().find(another_attempt));
        of.extend(said.map(|contact| (*contact, SameBy::Said)));
    }
    let mut conversations: Vec<String> = Vec::new();
    for (contact, _) in &of {
        if !conversations.contains(&contact.conversation_id) {
            conversations.push(contact.conversation_id.clone());
        }
    }
    let dropped = base.and_then(|base| left_behind(base, current, settings));
    let first = of.first().map(|(contact, _)| contact.at);
    let Some(first) = dropped.map(|goal| goal.since).into_iter().chain(first).min() else {
        return RepeatContact::default();
    };
    let known = |goal: &&OpenGoal| conversations.contains(&goal.conversation_id);
    let counted_twice = dropped.filter(known).map_or(0, |_| 1);
    let count = dropped.map_or(0, |goal| goal.conversations) - counted_twice
        + u32::try_from(conversations.len()).unwrap_or(u32::MAX);
    if let Some(goal) = dropped
        && conversations.is_empty()
    {
        conversations.push(goal.conversation_id.clone());
    }
    #[expect(clippy::cast_possible_truncation, reason = "days rounded to tenths fit single precision")]
    let days = ((days_between(first, current.at) * 10.0).round() / 10.0) as f32;
    let cites = of.iter().skip(of.len().saturating_sub(CITED));
    let cites = cites.map(|(contact, by)| Cited {
        message_id: contact.message_id.clone(),
        conversation_id: contact.conversation_id.clone(),
        channel: contact.channel,
        at: contact.at,
        by: *by,
    });
    RepeatContact { is_repeat: true, of: conversations, days, count, cites: cites.collect() }
}

/// The goal about the contact's problem that was open where the kept contacts begin, brought up elsewhere not long ago.
fn left_behind<'a>(base: &'a Base, current: &Contact, settings: &FoldSettings) -> Option<&'a OpenGoal> {
    base.standing.open_goals.iter().find(|goal| {
        goals::is_problem(&goal.intent)
            && goal.conversation_id != current.conversation_id
            && goal.conversations > 0
            && days_between(goal.last_at, current.at) <= f64::from(settings.repeat_days)
            && current.intents.iter().any(|intent| intent.name == goal.intent)
    })
}

/// Whether a goal about the contact's problem was already open from another conversation.
pub(super) fn known_problem(open: &[OpenGoal], contact: &Contact) -> bool {
    open.iter().any(|goal| {
        goal.conversation_id != contact.conversation_id
            && goals::is_problem(&goal.intent)
            && contact.intents.iter().any(|intent| intent.name == goal.intent)
    })
}

/// Thanks, praise, small talk and good news are no problem, however alike they are; nor is an answer to a survey, which
/// speaks of what was.
fn brings_a_problem(contact: &Contact) -> bool {
    let kind = contact.intents.first().is_none_or(|intent| {
        !matches!(intent.name.as_str(), "praise" | "smalltalk" | "feedback.suggestion" | "other")
    });
    kind && contact.outcome == super::model::Outcome::None && !contact.gratitude && !contact.is_survey()
}

/// Whether a later contact of the customer brings an earlier contact's problem to another conversation.
pub(super) fn same_matter(earlier: &Contact, later: &Contact, settings: &FoldSettings) -> bool {
    earlier.conversation_id != later.conversation_id
        && brings_a_problem(later)
        && same_problem(earlier, later, settings.repeat_similarity).is_some()
}

fn same_problem(earlier: &Contact, current: &Contact, similarity: f32) -> Option<SameBy> {
    let same_intent = current
        .intents
        .iter()
        .filter(|intent| goals::is_problem(&intent.name))
        .any(|intent| earlier.intents.iter().any(|other| other.name == intent.name));
    if same_intent {
        return Some(SameBy::Intent);
    }
    let alike =
        !current.embedding.is_empty() && vector::dot(&earlier.embedding, &current.embedding) >= similarity;
    alike.then_some(SameBy::Words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::{about, settings};

    fn check(what: &str, earlier: &[Contact], current: &Contact, expected: Option<(&[&str], f32)>) {
        let found = find(earlier, None, current, &settings());
        assert_eq!(usize::try_from(found.count).unwrap(), found.of.len());
        assert_eq!(found.cites.is_empty(), !found.is_repeat);
        let found = found.is_repeat.then_some((found.of, found.days));
        let expected =
            expected.map(|(of, days)| (of.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), days));
        assert_eq!(found, expected, "{what}");
    }

    #[test]
    fn same_intent() {
        let mail = about("1", "e1", "technical.problem", 0.0);
        let call = about("2", "p1", "technical.problem", 1.0);
        let chat = about("3", "k1", "technical.problem", 3.4);
        check("nothing before", &[], &chat, None);
        check("two conversations", &[mail.clone(), call], &chat, Some((&["e1", "p1"], 3.4)));
        check(
            "too long ago",
            std::slice::from_ref(&mail),
            &about("3", "k1", "technical.problem", 30.5),
            None,
        );
        check(
            "same conversation",
            std::slice::from_ref(&mail),
            &about("3", "e1", "technical.problem", 2.0),
            None,
        );
        check("another problem", &[mail], &about("3", "k1", "billing.dispute", 2.0), None);
        let hours = about("1", "e1", "policy.question", 0.0);
        check("two plain questions", &[hours], &about("2", "k1", "policy.question", 2.0), None);
        let unknown = about("1", "e1", "other", 0.0);
        check("nothing known, twice", &[unknown], &about("2", "k1", "other", 2.0), None);
        let two = |message: &str, conversation: &str, intent: &str, at: f64| {
            let mut contact = about(message, conversation, intent, at);
            contact.intents.push(about("", "", "other", 0.0).intents.remove(0));
            contact
        };
        let mail = two("1", "e1", "product.price", 0.0);
        check("nothing known beside a question", &[mail], &two("2", "k1", "order.status", 2.0), None);
    }

    #[test]
    fn same_words() {
        let mut mail = about("1", "e1", "product.question", 0.0);
        let mut chat = about("2", "k1", "delivery.options", 1.0);
        mail.embedding = vec![0.6, 0.8];
        chat.embedding = vec![0.8, 0.6];
        check("close", std::slice::from_ref(&mail), &chat, Some((&["e1"], 1.0)));
        chat.embedding = vec![0.8, -0.6];
        check("far", &[mail], &chat, None);
    }

    #[test]
    fn the_customer_says_so() {
        let mail = about("1", "e1", "delivery.options", 0.0);
        let mut again = about("2", "k1", "billing.dispute", 1.0);
        again.signals.push(SignalKind::RepeatContact);
        check("with something before", std::slice::from_ref(&mail), &again, Some((&["e1"], 1.0)));
        check("with nothing before", &[], &again, None);
        again.conversation_id = "e1".to_owned();
        check("the next day in the same thread", std::slice::from_ref(&mail), &again, Some((&["e1"], 1.0)));
        again.at = mail.at + chrono::Duration::minutes(5);
        check("in one sitting", &[mail], &again, None);
    }

    #[test]
    fn what_does_not_count() {
        let mail = about("1", "e1", "technical.problem", 0.0);
        let mut machine = mail.clone();
        machine.auto_reply = true;
        check(
            "an auto-reply before",
            std::slice::from_ref(&machine),
            &about("2", "k1", "technical.problem", 1.0),
            None,
        );
        machine.conversation_id = "k1".to_owned();
        check("an auto-reply now", std::slice::from_ref(&mail), &machine, None);
        let mut thanks = about("2", "k1", "technical.problem", 1.0);
        thanks.gratitude = true;
        check("thanks for the repair", &[mail], &thanks, None);
    }

    #[test]
    fn conversations_no_longer_kept_are_counted() {
        let goal = OpenGoal {
            kind: crate::nlp::understanding::GoalKind::Solve,
            intent: "technical.problem".to_owned(),
            since: crate::journey::samples::days(0.0),
            conversation_id: "d3".to_owned(),
            last_at: crate::journey::samples::days(5.0),
            conversations: 3,
            reopened: 0,
        };
        let mut base = Base::default();
        base.standing.open_goals.push(goal);
        let mail = about("1", "e1", "technical.problem", 6.0);
        let chat = about("2", "k1", "technical.problem", 7.0);
        let found = find(std::slice::from_ref(&mail), Some(&base), &chat, &settings());
        assert_eq!((found.count, found.days, found.of), (4, 7.0, vec!["e1".to_owned()]));
        let late = about("2", "k1", "technical.problem", 40.0);
        assert!(!find(&[mail], Some(&base), &late, &settings()).is_repeat);
    }
}
