use serde_json::json;

use super::*;
use crate::interaction::Author;
use crate::journey::model::{Change, Closing, OpenGoal};
use crate::nlp::labels::SentimentLabel;

fn at(hour: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour)
}

/// A contact that wants something and leaves it open.
fn row(customer: &str, conversation: &str, hour: i64) -> Row {
    Row {
        customer: customer.to_owned(),
        message_id: format!("{customer}-{hour}"),
        conversation_id: conversation.to_owned(),
        at: at(hour),
        channel: Channel::Chat,
        language: "en".to_owned(),
        stage: Some(Stage::Support),
        counts: true,
        sentiment: -0.5,
        effort: 0.4,
        repeated: false,
        repeat_of: None,
        wants: true,
        open: true,
        open_here: true,
    }
}

/// An agent's answer to it.
fn answered(row: &Row, hour: i64) -> Row {
    Row {
        counts: false,
        at: at(hour),
        wants: false,
        open: false,
        open_here: false,
        sentiment: 1.0,
        ..row.clone()
    }
}

/// Ten customers: `lost` of them get no answer.
fn ten(lost: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for customer in 0..10 {
        let first = row(&format!("c{customer}"), "k", 0);
        let answer = answered(&first, 1);
        rows.push(first);
        if customer >= lost {
            rows.push(answer);
        }
    }
    rows
}

#[test]
fn formulas() {
    let map = Map::of(ten(3), Filter::default());
    let cell = map.cell("support", Channel::Chat).unwrap();
    assert_eq!((cell.contacts, cell.journeys, cell.first_contacts), (10, 10, 10));
    assert_eq!((cell.sentiment, cell.effort), (Some(-0.5), Some(0.4)));
    assert_eq!((cell.drop_off, cell.repeat_rate), (Some(0.3), Some(0.0)));
    assert_eq!(cell.first_contact_resolution, Some(0.7));
    // One cell only: the margins say the same.
    for margin in [&map.total, &map.stages[0], &map.channels[0]] {
        let placed = Cell { stage: cell.stage, channel: cell.channel, ..margin.clone() };
        assert_eq!(&placed, cell);
    }
    assert_eq!((map.total.stage, map.total.channel), (None, None));
}

#[test]
fn who_comes_back_was_not_helped_at_first() {
    let mut rows = Vec::new();
    for customer in 0..10 {
        let first = row(&format!("c{customer}"), "k1", 0);
        let mut again = row(&first.customer, "k2", 48);
        (again.channel, again.repeated, again.repeat_of) = (Channel::Call, true, Some("k1".to_owned()));
        let answers = [answered(&first, 1), answered(&again, 49)];
        let [one, two] = answers;
        rows.extend([first, one]);
        if customer < 4 {
            rows.extend([again, two]);
        }
    }
    let map = Map::of(rows, Filter::default());
    let chat = map.cell("support", Channel::Chat).unwrap();
    assert_eq!((chat.first_contacts, chat.first_contact_resolution), (10, Some(0.6)));
    let call = map.cell("support", Channel::Call).unwrap();
    assert_eq!((call.contacts, call.first_contacts), (4, 0), "a repeat is no first contact");
    let few = [call.sentiment, call.effort, call.drop_off, call.repeat_rate, call.first_contact_resolution];
    assert_eq!(few, [None; 5], "four are too few");
    assert_eq!((map.total.contacts, map.total.journeys), (14, 10));
    assert_eq!(map.total.repeat_rate, Some(0.286));
    assert_eq!(map.total.drop_off, Some(0.0));
}

#[test]
fn a_journey_is_lost_where_its_last_contact_was() {
    let mut rows = Vec::new();
    for customer in 0..5 {
        let mut first = row(&format!("c{customer}"), "k1", 0);
        first.stage = Some(Stage::Consideration);
        let mut last = row(&first.customer, "k2", 5);
        last.stage = None;
        // A machine's answer later changes nothing about where, only about how it stands.
        let after = Row { counts: false, at: at(6), ..last.clone() };
        rows.extend([first, last, after]);
    }
    let map = Map::of(rows, Filter::default());
    assert_eq!(map.cell("consideration", Channel::Chat).unwrap().drop_off, Some(0.0));
    assert_eq!(map.cell("none", Channel::Chat).unwrap().drop_off, Some(1.0));
    assert_eq!(map.total.drop_off, Some(1.0));
}

#[test]
fn filters_choose_contacts_and_not_journeys() {
    let mut rows = Vec::new();
    for customer in 0..6 {
        let mut first = row(&format!("c{customer}"), "k1", 0);
        first.language = "it".to_owned();
        let mut last = row(&first.customer, "k2", 5);
        last.channel = Channel::Email;
        rows.extend([first, last]);
    }
    let italian = Filter { language: Some("it".to_owned()), ..Filter::default() };
    let map = Map::of(rows.clone(), italian);
    assert_eq!((map.total.contacts, map.total.drop_off), (6, Some(0.0)), "they went on in English");
    let mail = Filter { channel: Some(Channel::Email), ..Filter::default() };
    let map = Map::of(rows, mail);
    assert_eq!((map.cells.len(), map.total.contacts, map.total.drop_off), (1, 6, Some(1.0)));
    let nothing = Map::of([], Filter::default());
    assert_eq!((nothing.total.contacts, nothing.total.sentiment, nothing.cells.len()), (0, None, 0));
}

fn moment(hour: i64, counts: bool, events: Vec<Happened>) -> Moment {
    Moment {
        at: at(hour),
        message_id: format!("m{hour}"),
        conversation_id: "k".to_owned(),
        channel: Channel::Chat,
        author: if counts { Author::Customer } else { Author::Agent },
        counts,
        stage: Some(Stage::Support),
        sentiment: SentimentLabel::Neutral,
        sentiment_score: 0.0,
        effort: 0.1,
        intent: None,
        experience: 60,
        priority: "normal".to_owned(),
        queue: None,
        summary: String::new(),
        events,
        open_goals: Vec::new(),
        promises: Vec::new(),
    }
}

#[test]
fn a_timeline_tells_goals_from_their_events() {
    let goal: OpenGoal =
        serde_json::from_value(json!({ "kind": "solve", "intent": "technical.problem", "since": at(1) }))
            .unwrap();
    let closed = Change::GoalClosed { goal: goal.clone(), how: Closing::Met };
    let opened = Change::GoalOpened { goal: goal.clone() };
    let lost = OpenGoal { intent: "refund.request".to_owned(), since: at(0), ..goal };
    let older = Change::GoalClosed { goal: lost, how: Closing::GivenUp };
    let moments = vec![
        moment(9, false, vec![Happened::Change(Box::new(closed))]),
        moment(3, true, vec![Happened::Change(Box::new(opened)), Happened::Change(Box::new(older))]),
    ];
    let timeline = Timeline::of("c".to_owned(), 7, moments);
    assert_eq!((timeline.messages, timeline.contacts, timeline.channels[&Channel::Chat]), (7, 1, 1));
    let goals: Vec<_> =
        timeline.goals.iter().map(|g| (g.intent.as_str(), g.opened_at, g.closed_at, g.how)).collect();
    assert_eq!(
        goals,
        [
            ("technical.problem", at(3), Some(at(9)), Some(Closing::Met)),
            ("refund.request", at(0), Some(at(3)), Some(Closing::GivenUp)),
        ]
    );
    assert!(timeline.moments.is_sorted_by_key(|moment| moment.at));
}

#[test]
fn events_are_read_as_they_were_published() {
    let read = |text: &str| serde_json::from_str::<Happened>(text).unwrap();
    let known =
        read(r#"{"schema":"smista.event.v1","event":"thank_you_due","rating":90,"channel":"survey"}"#);
    assert_eq!(known, Happened::Change(Box::new(Change::ThankYouDue { rating: 90 })));
    assert_eq!(read(r#"{"event":"outage_reported","decision_id":"x"}"#).name(), "outage_reported");
}
