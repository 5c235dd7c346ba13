//! What holds of every fold.

use proptest::prelude::*;

use super::fold::{FoldSettings, Folded, fold};
use super::merge::merge;
use super::model::{Contact, Journey, Outcome, Source, Statement};
use super::samples::{contact, days, settings};
use crate::interaction::{Author, Channel, Ratings};
use crate::nlp::labels::{INTENTS, SignalKind, Stage};
use crate::nlp::understanding::Scored;
use crate::routing::decision::hash_json;

prop_compose! {
    /// Few kinds, subjects and values, so that many contradict each other.
    fn any_statement()(
        by in prop::sample::select(vec![Source::Agent, Source::Bot, Source::Site]),
        kind in prop::sample::select(vec!["price", "price/month", "date", "yes_no"]),
        about in prop::sample::subsequence(vec!["deliv", "islan", "insur"], 1..=3),
        value in 0..3_u8,
        turn in 0..2_usize,
    ) -> Statement {
        Statement {
            by,
            kind: kind.to_owned(),
            subject: about.into_iter().map(str::to_owned).collect(),
            value: value.to_string(),
            text: "That is how it is.".to_owned(),
            turn,
            span: [0, 18],
        }
    }
}

prop_compose! {
    fn any_contact()(
        conversation in 0..4_u8,
        hour in 0..3000_u32,
        (author, auto_reply) in (prop_oneof![4 => Just(Author::Customer), 1 => Just(Author::Agent), 1 => Just(Author::Bot)], prop::bool::weighted(0.1)),
        intents in prop::collection::vec((0..INTENTS.len(), 0.1_f32..1.0), 0..3),
        (sentiment, effort) in (-1.0_f32..1.0, 0.0_f32..1.0),
        stage in prop::option::of(0..Stage::ALL.len()),
        signals in prop::collection::vec(0..SignalKind::ALL.len(), 0..3),
        channel in 0..Channel::ALL.len(),
        (nps, csat) in (prop::option::weighted(0.15, 0..=10_u8), prop::option::weighted(0.1, 1..=5_u8)),
        (ces, rating) in (prop::option::weighted(0.1, 1..=7_u8), prop::option::weighted(0.1, 1..=5_u8)),
        stated in prop::collection::vec(any_statement(), 0..3),
        (outcome, gratitude, promise_unkept) in (0..8_u8, prop::bool::weighted(0.1), prop::bool::weighted(0.1)),
        promised in prop::bool::weighted(0.2),
        embedding in prop::collection::vec(-0.6_f32..0.6, 4),
        italian in any::<bool>(),
        summary in prop::string::string_regex("[a-zà-ù ]{0,160}").unwrap(),
    ) -> Contact {
        Contact {
            channel: Channel::ALL[channel],
            author,
            auto_reply,
            at: days(f64::from(hour) / 24.0),
            intents: intents.into_iter().map(|(index, confidence)| Scored { name: INTENTS[index].to_owned(), confidence }).collect(),
            effort,
            stage: stage.map(|index| Stage::ALL[index]),
            stage_confidence: 0.5,
            signals: signals.into_iter().map(|index| SignalKind::ALL[index]).collect(),
            ratings: Ratings { nps, csat, ces, rating },
            outcome: match outcome { 0 => Outcome::Resolved, 1 => Outcome::GivenUp, 2 => Outcome::Closed, _ => Outcome::None },
            answers: author == Author::Agent && !promised,
            statements: stated,
            gratitude,
            promise_unkept,
            promises: if promised { vec!["We will call you tomorrow".to_owned()] } else { Vec::new() },
            embedding: super::vector::rounded(&embedding),
            language: if italian { "it" } else { "en" }.to_owned(),
            summary,
            ..contact("", &format!("k{conversation}"), sentiment)
        }
    }
}

prop_compose! {
    /// Contacts with ids of their own, in the order of arrival and in the order of time.
    fn any_arrival()(contacts in prop::collection::vec(any_contact(), 1..20))(
        arrival in Just(number(contacts.clone())).prop_shuffle(),
        in_time in Just(sorted(number(contacts))),
    ) -> (Vec<Contact>, Vec<Contact>) {
        (arrival, in_time)
    }
}

fn number(mut contacts: Vec<Contact>) -> Vec<Contact> {
    for (index, contact) in contacts.iter_mut().enumerate() {
        contact.message_id = format!("m{index}");
    }
    contacts
}

fn sorted(mut contacts: Vec<Contact>) -> Vec<Contact> {
    contacts.sort_by(|a, b| (a.at, &a.message_id).cmp(&(b.at, &b.message_id)));
    contacts
}

/// The journey, but for what was published on the way.
fn all(contacts: &[Contact], settings: &FoldSettings) -> Journey {
    let journey = contacts
        .iter()
        .fold(Journey::default(), |journey, contact| fold(&journey, contact.clone(), settings).journey);
    Journey { survey_due_at: None, ..journey }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_order_of_arrival_does_not_matter((arrival, in_time) in any_arrival()) {
        prop_assert_eq!(all(&arrival, &settings()), all(&in_time, &settings()));
    }

    /// What the last message is told of the past is the same, too.
    #[test]
    fn the_last_message_sees_the_same_past((arrival, in_time) in any_arrival()) {
        let (last, before) = in_time.split_last().unwrap();
        let arrived: Vec<Contact> = arrival.into_iter().filter(|contact| contact != last).collect();
        let view = |past: &[Contact]| {
            let Folded { view, stage, goal, .. } = fold(&all(past, &settings()), last.clone(), &settings());
            (view, stage, goal)
        };
        prop_assert_eq!(view(&arrived), view(before));
    }

    #[test]
    fn the_same_message_again_changes_nothing((arrival, _) in any_arrival(), which in any::<prop::sample::Index>()) {
        let journey = all(&arrival, &settings());
        let Folded { journey: after, changes, .. } = fold(&journey, which.get(&arrival).clone(), &settings());
        prop_assert_eq!(after, journey);
        prop_assert_eq!(changes, vec![]);
    }

    #[test]
    fn dropping_old_contacts_loses_nothing_they_added_up_to((_, in_time) in any_arrival(), max_contacts in 1..8_usize) {
        let bounded = all(&in_time, &FoldSettings { max_contacts, ..settings() });
        let whole = all(&in_time, &settings());
        prop_assert!(bounded.contacts.len() <= max_contacts);
        prop_assert_eq!(bounded.total_contacts, whole.total_contacts);
        prop_assert_eq!((bounded.stage, bounded.stage_history), (whole.stage, whole.stage_history));
        prop_assert_eq!((bounded.experience, bounded.effort), (whole.experience, whole.effort));
        prop_assert_eq!(bounded.open_goals, whole.open_goals);
    }

    #[test]
    fn a_bounded_fold_takes_any_order((arrival, _) in any_arrival(), max_contacts in 1..8_usize) {
        let settings = FoldSettings { max_contacts, ..settings() };
        let journey = all(&arrival, &settings);
        prop_assert!(journey.contacts.len() <= max_contacts);
        prop_assert_eq!(journey.total_contacts, u64::try_from(arrival.len()).unwrap());
        prop_assert!(journey.contacts.is_sorted_by_key(|contact| (contact.at, contact.message_id.clone())));
    }

    #[test]
    fn auto_replies_move_nothing((_, in_time) in any_arrival()) {
        let with = all(&in_time, &settings());
        let written: Vec<Contact> = in_time.into_iter().filter(|contact| !contact.auto_reply).collect();
        let without = all(&written, &settings());
        prop_assert_eq!((with.stage, with.stage_history), (without.stage, without.stage_history));
        prop_assert_eq!((with.experience, with.effort), (without.experience, without.effort));
        prop_assert_eq!(with.open_goals, without.open_goals);
    }

    #[test]
    fn reading_back_gives_the_same_state((arrival, _) in any_arrival(), max_contacts in 1..30_usize) {
        let journey = all(&arrival, &FoldSettings { max_contacts, ..settings() });
        let text = serde_json::to_string(&journey).unwrap();
        let back: Journey = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(hash_json(&back).unwrap(), hash_json(&journey).unwrap());
        prop_assert_eq!(back, journey);
    }

    #[test]
    fn the_view_keeps_its_bounds((arrival, in_time) in any_arrival(), late in any::<bool>()) {
        let mut journey = Journey::default();
        for contact in if late { arrival } else { in_time } {
            let before = journey.clone();
            let folded = fold(&journey, contact.clone(), &settings());
            let view = &folded.view;
            prop_assert!(view.brief.split_whitespace().count() <= 120, "{}", view.brief);
            prop_assert!(!view.brief.is_empty());
            prop_assert!(view.experience.score <= 100);
            prop_assert!((0.0..=1.0).contains(&view.effort));
            prop_assert_eq!(view.repeat_contact.is_repeat, !view.repeat_contact.of.is_empty());
            prop_assert!(view.repeat_contact.days >= 0.0);
            prop_assert!(view.contacts.iter().all(|earlier| earlier.at <= contact.at));
            if !contact.counts() {
                prop_assert_eq!(folded.journey.stage, before.stage);
                // What an agent says closes goals, and so bears on what came after it in time.
                prop_assert!(late || folded.journey.experience.total_cmp(&before.experience).is_eq());
                prop_assert!(!view.repeat_contact.is_repeat && folded.goal.is_none());
            }
            journey = folded.journey;
        }
    }
}

prop_compose! {
    /// Contacts of one person under two names.
    fn two_names()((arrival, in_time) in any_arrival(), names in prop::collection::vec(any::<bool>(), 20))
        -> (Vec<Contact>, Vec<Contact>, Vec<Contact>) {
        let named = |own: bool| -> Vec<Contact> {
            let pairs = arrival.iter().zip(&names);
            pairs.filter(|(_, name)| **name == own).map(|(contact, _)| contact.clone()).collect()
        };
        (named(true), named(false), in_time)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn two_histories_put_together_are_one_history((one, other, in_time) in two_names()) {
        let (one, other) = (all(&one, &settings()), all(&other, &settings()));
        let whole = all(&in_time, &settings());
        prop_assert_eq!(&merge(&one, &other, &settings()), &whole);
        prop_assert_eq!(merge(&other, &one, &settings()), whole);
    }

    #[test]
    fn what_comes_after_two_histories_were_put_together_takes_its_place(
        (one, other, in_time) in two_names(), which in any::<prop::sample::Index>(),
    ) {
        let late = which.get(&in_time).clone();
        let without = |contacts: Vec<Contact>| -> Vec<Contact> {
            contacts.into_iter().filter(|contact| *contact != late).collect()
        };
        let (one, other) = (all(&without(one), &settings()), all(&without(other), &settings()));
        let after = fold(&merge(&one, &other, &settings()), late.clone(), &settings()).journey;
        prop_assert_eq!(Journey { survey_due_at: None, ..after }, all(&in_time, &settings()));
    }

    #[test]
    fn histories_cut_short_are_put_together_within_their_bounds(
        (one, other, in_time) in two_names(), max_contacts in 1..8_usize,
    ) {
        let settings = FoldSettings { max_contacts, ..settings() };
        let (one, other) = (all(&one, &settings), all(&other, &settings));
        let merged = merge(&one, &other, &settings);
        prop_assert_eq!(merged.total_contacts, u64::try_from(in_time.len()).unwrap());
        prop_assert!(merged.contacts.len() <= max_contacts);
        prop_assert!((0.0..=100.0).contains(&merged.experience) && (0.0..=1.0).contains(&merged.effort));
        prop_assert_eq!(&merge(&other, &one, &settings).contacts, &merged.contacts);
        prop_assert_eq!(merge(&other, &one, &settings).stage, merged.stage);
    }

    #[test]
    fn surveys_keep_their_distance((arrival, _) in any_arrival()) {
        let mut journey = Journey::default();
        let mut asked = Vec::new();
        for contact in arrival {
            let at = contact.at;
            let folded = fold(&journey, contact, &settings());
            if folded.changes.iter().any(|change| change.name() == "survey_due") {
                asked.push(at);
            }
            journey = folded.journey;
        }
        let apart = asked.windows(2).all(|pair| pair[1] - pair[0] >= chrono::Duration::days(30));
        prop_assert!(apart, "{asked:?}");
    }
}
