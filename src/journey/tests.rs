//! Whole journeys.

use serde_json::json;

use super::fold::{Folded, fold};
use super::model::{Change, Closing, Contact, Journey, Outcome, RiskLevel, Task, Transition, Trend};
use super::samples::{about, contact, days, settings};
use crate::interaction::{Author, Channel, Interaction};
use crate::nlp::Understanding;
use crate::nlp::labels::{SignalKind, Stage};
use crate::nlp::understanding::GoalKind;

fn last(contacts: &[Contact]) -> Folded {
    let (last, before) = contacts.split_last().unwrap();
    let journey = before
        .iter()
        .fold(Journey::default(), |journey, contact| fold(&journey, contact.clone(), &settings()).journey);
    fold(&journey, last.clone(), &settings())
}

/// Monday's e-mail, Tuesday's call with a promise, Thursday's chat.
fn thermostat() -> [Contact; 3] {
    let email = Contact {
        channel: Channel::Email,
        sentiment: -0.2,
        stage: Some(Stage::Support),
        stage_confidence: 0.9,
        summary: "The thermostat loses its schedule every night.".to_owned(),
        ..about("m1", "e1", "technical.problem", 1.0)
    };
    let call = Contact {
        channel: Channel::Call,
        sentiment: -0.5,
        effort: 0.4,
        stage: Some(Stage::Support),
        stage_confidence: 0.9,
        promises: vec!["A colleague will ring you tomorrow morning.".to_owned()],
        summary: "It is the thermostat again.".to_owned(),
        ..about("m2", "p1", "technical.problem", 2.3)
    };
    let chat = Contact {
        sentiment: -0.81,
        effort: 0.86,
        stage: Some(Stage::Support),
        stage_confidence: 0.95,
        signals: vec![SignalKind::RepeatContact, SignalKind::Deadline],
        goal: Some(GoalKind::Solve),
        summary: "Do I have to tell the whole story again? Fix it by tomorrow or take it back.".to_owned(),
        ..about("m3", "k8", "technical.problem", 4.4)
    };
    [email, call, chat]
}

#[test]
fn the_same_problem_for_the_third_time() {
    let Folded { view, changes, stage, goal, .. } = last(&thermostat());
    assert!(view.repeat_contact.is_repeat);
    assert_eq!(view.repeat_contact.of, ["e1", "p1"]);
    assert!((view.repeat_contact.days - 3.4).abs() < 0.01);
    assert_eq!(view.contacts.iter().map(|c| c.conversation_id.as_str()).collect::<Vec<_>>(), ["e1", "p1"]);
    assert_eq!(view.promises.iter().map(|promise| promise.kept).collect::<Vec<_>>(), [false]);
    assert_eq!(view.sentiment_trend, Trend::Worsening);
    assert_eq!((view.experience.score, view.experience.previous), (27, Some(41)));
    assert_eq!(view.churn_risk.level, RiskLevel::Medium);
    assert_eq!(view.follow_up, None);
    let stage = stage.unwrap();
    assert_eq!(
        (stage.name, stage.previous, stage.transition),
        (Stage::Support, Some(Stage::Support), Transition::Same)
    );
    assert!((stage.confidence - 0.95).abs() < 1e-6);
    let goal = goal.unwrap();
    assert_eq!((goal.kind, goal.open, goal.since), (GoalKind::Solve, true, days(1.0)));
    assert!(
        changes
            .iter()
            .any(|change| matches!(change, Change::RepeatContact { of, .. } if of == &["e1", "p1"]))
    );
    insta::assert_snapshot!(view.brief, @r#"Third contact in 4 days about the same problem (e-mail, call, chat): technical problem. Promised on 12 May: "A colleague will ring you tomorrow morning"; it was not kept. Still open: technical problem since 11 May. It began on 11 May (e-mail): "The thermostat loses its schedule every night." Stage: support since 11 May, churn risk medium, experience 27 of 100, getting worse. Now: "Do I have to tell the whole story again? Fix it by tomorrow or take it back.""#);
}

#[test]
fn the_brief_in_italian() {
    let mut contacts = thermostat();
    contacts[0].summary = "Il termostato perde la programmazione ogni notte.".to_owned();
    contacts[1].promises = vec!["Un collega la richiamerà domani mattina.".to_owned()];
    contacts[2].summary =
        "Devo raccontare di nuovo tutto? Risolvete entro domani o riprendetevelo.".to_owned();
    contacts[2].language = "it".to_owned();
    insta::assert_snapshot!(last(&contacts).view.brief, @r#"Terzo contatto in 4 giorni per lo stesso problema (e-mail, telefono, chat): problema tecnico. Promesso il 12 maggio: "Un collega la richiamerà domani mattina"; non è stato mantenuto. Ancora aperto: problema tecnico dall'11 maggio. È iniziato l'11 maggio (e-mail): "Il termostato perde la programmazione ogni notte." Fase: assistenza dall'11 maggio, rischio di abbandono medio, esperienza 27 su 100, in peggioramento. Ora: "Devo raccontare di nuovo tutto? Risolvete entro domani o riprendetevelo.""#);
}

#[test]
fn the_first_contact() {
    let question = Contact {
        summary: "What does the basic plan cost?".to_owned(),
        ..about("m1", "k1", "product.price", 0.0)
    };
    let Folded { view, changes, stage, goal, journey } = last(&[question]);
    assert_eq!((view.experience.previous, view.contacts.len(), journey.total_contacts), (None, 0, 1));
    assert!(stage.is_none());
    assert_eq!(goal.map(|goal| (goal.kind, goal.open)), Some((GoalKind::Ask, true)));
    assert!(matches!(changes.as_slice(), [Change::GoalOpened { goal }] if goal.intent == "product.price"));
    insta::assert_snapshot!(view.brief, @r#"First known contact (chat): question about a price. Now: "What does the basic plan cost?""#);
}

#[test]
fn stages_come_and_go() {
    let at = |message: &str, day: f64, stage: Stage| Contact {
        at: days(day),
        stage: Some(stage),
        stage_confidence: 0.8,
        ..contact(message, "k1", 0.0)
    };
    let first = at("m1", 0.0, Stage::Consideration);
    let second = at("m2", 1.0, Stage::Purchase);
    let folded = last(&[first.clone(), second.clone()]);
    assert!(folded.changes.contains(&Change::StageChanged {
        from: Some(Stage::Consideration),
        to: Stage::Purchase,
        transition: Transition::Advanced,
    }));
    let leaving = last(&[first, second, at("m3", 9.0, Stage::Retention)]);
    assert_eq!(leaving.stage.unwrap().transition, Transition::Regressed);
    assert_eq!(
        leaving.journey.stage_history,
        [(days(0.0), Stage::Consideration), (days(1.0), Stage::Purchase), (days(9.0), Stage::Retention)]
    );
}

#[test]
fn small_talk_and_machines_keep_the_stage() {
    let first = Contact { stage: Some(Stage::Support), ..contact("m1", "k1", -0.4) };
    let machine =
        Contact { auto_reply: true, stage: Some(Stage::Advocacy), at: days(1.0), ..contact("m2", "k1", 0.9) };
    let talk = Contact { at: days(2.0), ..contact("m3", "k1", 0.0) };
    let folded = last(&[first, machine, talk]);
    assert_eq!(
        folded.stage.map(|stage| (stage.name, stage.transition)),
        Some((Stage::Support, Transition::Same))
    );
    assert_eq!(folded.changes, []);
}

#[test]
fn a_late_message_takes_its_place() {
    let [email, call, chat] = thermostat();
    let late = last(&[email.clone(), chat.clone(), call.clone()]);
    assert_eq!(late.journey, last(&[email, call, chat]).journey);
    assert_eq!(late.view.contacts.len(), 1, "only what came before it in time");
    assert_eq!(late.view.repeat_contact.of, ["e1"]);
    assert_eq!(late.view.promises.iter().map(|promise| promise.kept).collect::<Vec<_>>(), [false]);
}

#[test]
fn goals_close_and_say_so() {
    let fault = about("m1", "k1", "technical.problem", 0.0);
    let done = Contact { outcome: Outcome::Resolved, at: days(1.0), ..contact("m2", "k1", 0.6) };
    let folded = last(&[fault, done]);
    assert_eq!(folded.journey.open_goals, []);
    assert!(
        matches!(folded.changes.as_slice(), [Change::GoalClosed { goal, how: Closing::Met }, Change::SurveyDue { .. }] if goal.intent == "technical.problem")
    );
    assert_eq!(
        folded.goal.map(|goal| (goal.kind, goal.open, goal.since)),
        Some((GoalKind::Solve, false, days(0.0)))
    );
}

#[test]
fn a_promise_is_a_task() {
    let promise = Contact {
        author: Author::Agent,
        promises: vec!["We will call you back tomorrow.".to_owned()],
        ..contact("m1", "k1", 0.0)
    };
    let folded = last(std::slice::from_ref(&promise));
    let task = "Keep the promise due 11 May: \"We will call you back tomorrow.\"";
    assert_eq!(folded.view.follow_up.as_deref(), Some(task));
    let due = Change::FollowUpDue { what: task.to_owned(), kind: Task::Promise, root_cause: None };
    assert_eq!(folded.changes, [due]);
    assert_eq!(folded.view.experience.score, 60, "nothing is known of the customer yet");
    let later = Contact { at: days(0.1), ..contact("m2", "k1", 0.0) };
    let folded = last(&[promise, later]);
    assert_eq!(folded.changes, [], "said once");
    assert_eq!(folded.view.follow_up.as_deref(), Some(task));
}

#[test]
fn a_low_score_is_a_task() {
    let mut survey =
        Contact { channel: Channel::Survey, language: "it".to_owned(), ..contact("m1", "k1", -0.6) };
    survey.ratings.nps = Some(3);
    let folded = last(&[survey]);
    assert_eq!(folded.view.follow_up.as_deref(), Some("Chiedere al cliente il motivo del voto basso"));
}

#[test]
fn the_same_conversation_repeats_once() {
    let first = about("m1", "a", "technical.problem", 0.0);
    let second = about("m2", "b", "technical.problem", 1.0);
    let third = about("m3", "b", "technical.problem", 1.1);
    let repeats = |folded: &Folded| {
        folded.changes.iter().filter(|change| matches!(change, Change::RepeatContact { .. })).count()
    };
    assert_eq!(repeats(&last(&[first.clone(), second.clone()])), 1);
    let folded = last(&[first, second, third]);
    assert!(folded.view.repeat_contact.is_repeat);
    assert_eq!(repeats(&folded), 0);
}

fn interaction(turns: &serde_json::Value) -> Interaction {
    serde_json::from_value(json!({
        "message_id": "m1", "conversation_id": "p1", "customer_id": "c1", "identities": [], "channel": "call",
        "author": "customer", "sent_at": days(0.0), "language_hint": null, "subject": null, "turns": turns,
        "ratings": {"csat": 2}, "attributes": {}, "attachments": [], "auto_reply": null,
    }))
    .unwrap()
}

fn understanding() -> Understanding {
    serde_json::from_value(json!({
        "language": {"code": "it", "confidence": 0.9},
        "sentiment": {"label": "negative", "score": -0.4, "confidence": 0.7, "first_third": 0.0, "last_third": 0.0, "shift": 0.0},
        "emotions": [{"name": "gratitude", "confidence": 0.6}], "intents": [{"name": "delivery.problem", "confidence": 0.8}],
        "abstained": false, "stage": {"name": "support", "confidence": 0.7},
        "signals": [{"name": "deadline", "confidence": 0.8, "source": "cue", "span": [0, 4], "text": "oggi"}],
        "goal": "solve", "complexity": "standard", "effort": 0.3, "questions": [], "turns": [],
        "embedding": [0.6, 0.8], "degraded": false,
    }))
    .unwrap()
}

#[test]
fn what_a_call_gives() {
    let turns = json!([
        {"speaker": "agent", "text": "Buongiorno, come posso aiutarla?"},
        {"speaker": "customer", "text": "Il pacco non è arrivato.\nNessuno mi ha richiamato."},
        {"speaker": "agent", "text": "Mi dispiace. La richiameremo entro domani."},
    ]);
    let contact = Contact::from(&interaction(&turns), &understanding(), chrono_tz::Tz::UTC);
    assert_eq!(contact.promises, ["La richiameremo entro domani."]);
    assert_eq!(contact.summary, "Il pacco non è arrivato. Nessuno mi ha richiamato.");
    assert_eq!(
        (contact.author, contact.outcome, contact.auto_reply),
        (Author::Customer, Outcome::None, false)
    );
    assert!(contact.promise_unkept && contact.gratitude);
    assert_eq!(
        (contact.stage, contact.goal, contact.language.as_str()),
        (Some(Stage::Support), Some(GoalKind::Solve), "it")
    );
    assert_eq!(
        (contact.signals.as_slice(), contact.ratings.csat),
        ([SignalKind::Deadline].as_slice(), Some(2))
    );
    assert_eq!(contact.embedding.len(), 2);
}

#[test]
fn a_customer_promises_nothing_and_an_agent_speaks_for_nobody_else() {
    let turns = json!([{"speaker": "customer", "text": "I will call you back tomorrow."}]);
    assert_eq!(
        Contact::from(&interaction(&turns), &understanding(), chrono_tz::Tz::UTC).promises,
        Vec::<String>::new()
    );
    let turns = json!([{"speaker": "agent", "text": "We have issued your refund. You will receive it within five days."}]);
    let contact = Contact::from(&interaction(&turns), &understanding(), chrono_tz::Tz::UTC);
    assert_eq!(
        (contact.author, contact.outcome, contact.promises.len()),
        (Author::Agent, Outcome::Resolved, 1)
    );
    assert!(!contact.counts());
    let mut machine = interaction(&turns);
    machine.auto_reply = Some("header:auto-submitted".to_owned());
    assert_eq!(Contact::from(&machine, &understanding(), chrono_tz::Tz::UTC).promises, Vec::<String>::new());
}

#[test]
fn summaries_are_cut_between_words() {
    let turns = json!([{"speaker": "customer", "text": "perché ".repeat(60)}]);
    let summary = Contact::from(&interaction(&turns), &understanding(), chrono_tz::Tz::UTC).summary;
    assert!(summary.chars().count() <= 160 && summary.ends_with("perché…"), "{summary}");
    let turns = json!([{"speaker": "customer", "text": "x".repeat(500)}]);
    assert_eq!(
        Contact::from(&interaction(&turns), &understanding(), chrono_tz::Tz::UTC).summary.chars().count(),
        160
    );
}
