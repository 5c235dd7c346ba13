use super::*;
use crate::interaction::{Channel, sample};

fn settings() -> SpikeSettings {
    SpikeSettings {
        history_hours: 28 * 24,
        min_history_hours: 24,
        min_count: 5,
        min_ratio: 3.0,
        false_alarms: 1e-5,
        phrases: 100,
        phrase_customers: 3,
    }
}

fn steady(hours: i64, each: u64) -> Past {
    Past { begun: Some(0), counts: (0..hours).map(|hour| (hour, each)).collect() }
}

#[test]
fn the_bar_rises_with_the_past() {
    let bar = |past: &Past, hour: i64| Bar::of(past, hour, &settings());
    assert_eq!(bar(&Past::default(), 100), None, "nothing is known");
    assert_eq!(bar(&steady(23, 2), 23), None, "not long enough");
    let nothing = bar(&Past { begun: Some(0), counts: Vec::new() }, 400).unwrap();
    assert_eq!(nothing.needed, 5, "a new topic: the least count");
    assert!(nothing.expected < 0.01);
    let two = bar(&steady(400, 2), 400).unwrap();
    let twenty = bar(&steady(400, 20), 400).unwrap();
    assert!((two.expected - 2.0).abs() < 0.01 && (twenty.expected - 20.0).abs() < 0.01);
    assert!((7..=13).contains(&two.needed), "{two:?}");
    assert!((60..=61).contains(&twenty.needed), "three times as many: {twenty:?}");
}

#[test]
fn comparable_hours_are_those_of_the_same_hour() {
    // Twenty at nine o'clock, none at any other hour, for two weeks.
    let past = Past { begun: Some(0), counts: (0..14).map(|day| (day * 24 + 9, 20)).collect() };
    let nine = Bar::of(&past, 14 * 24 + 9, &settings()).unwrap();
    let ten = Bar::of(&past, 14 * 24 + 10, &settings()).unwrap();
    assert!(nine.expected > 18.0 && ten.expected < 0.1, "{nine:?} {ten:?}");
    assert!(nine.needed >= 54 && ten.needed < 20);
    // For four weeks, and on Mondays only.
    let past = Past { begun: Some(0), counts: (0..4).map(|week| (week * 168 + 9, 20)).collect() };
    let monday = Bar::of(&past, 4 * 168 + 9, &settings()).unwrap();
    let tuesday = Bar::of(&past, 4 * 168 + 33, &settings()).unwrap();
    assert!(monday.expected > 15.0 && tuesday.expected < 0.1, "{monday:?} {tuesday:?}");
}

#[test]
fn an_unsteady_past_asks_for_more() {
    let wild = Past {
        begun: Some(0),
        counts: (0..700_i64).map(|hour| (hour, hour.unsigned_abs() % 11 * 2)).collect(),
    };
    let wild_bar = Bar::of(&wild, 700, &SpikeSettings { min_ratio: 1.0, ..settings() }).unwrap();
    let calm = Bar::of(&steady(700, 10), 700, &SpikeSettings { min_ratio: 1.0, ..settings() }).unwrap();
    assert!(wild_bar.needed > calm.needed, "{wild_bar:?} {calm:?}");
}

/// A generator of the tests' own, so that every run sees the same past.
struct Chance(u64);

impl Chance {
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Poisson, by multiplying until below e^−mean (Knuth).
    fn poisson(&mut self, mean: f64) -> u64 {
        let (end, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > end {
            product *= self.share();
            count += 1;
        }
        count
    }
}

/// Chance alone, with the ups and downs of a day and a rate that itself varies, reaches the bar about as often as the
/// configuration says: here 1 in 1,000, so that it can be counted, and with no least count.
#[test]
fn false_alarms_are_about_as_rare_as_configured() {
    let settings = SpikeSettings { min_count: 1, min_ratio: 1.0, false_alarms: 1e-3, ..settings() };
    let mut chance = Chance(7);
    let (mut alarms, mut tests) = (0, 0);
    for topic in 0..120 {
        let base = [0.2, 1.0, 4.0, 15.0][topic % 4];
        let mut counts = Vec::new();
        for hour in 0..28 * 24 + 24 {
            let day = if (8..20).contains(&(hour % 24)) { 1.6 } else { 0.4 };
            let varying = 0.7 + 0.6 * chance.share();
            counts.push((hour, chance.poisson(base * day * varying)));
        }
        let past = Past { begun: Some(0), counts: counts.clone() };
        for (hour, count) in counts.into_iter().skip(28 * 24) {
            let bar = Bar::of(&past, hour, &settings).unwrap();
            tests += 1;
            alarms += u32::from(count >= bar.needed);
        }
    }
    let rate = f64::from(alarms) / f64::from(tests);
    eprintln!("{alarms} alarms in {tests} tests: {rate:.5}");
    assert!(rate <= 3e-3, "{alarms} of {tests}");
}

fn scored(names: &[&str]) -> Vec<Scored<String>> {
    names.iter().map(|name| Scored { name: (*name).to_owned(), confidence: 0.9 }).collect()
}

#[test]
fn topics_of_a_message() {
    let mut sketch = Sketch::new(100, 3, 100);
    let message = sample(Channel::Chat, "The payment page shows error 4711").unwrap();
    let mut keys = |customer: &str, intents: &[&str]| -> Vec<String> {
        let topics = topics(&message, &scored(intents), customer, &mut sketch);
        topics.iter().map(|topic| topic.key().to_owned()).collect()
    };
    assert_eq!(keys("c-1", &["smalltalk", "payment.problem"]), ["intent:payment.problem"]);
    assert_eq!(keys("c-1", &["other"]), Vec::<String>::new());
    assert_eq!(keys("c-2", &[]), Vec::<String>::new());
    let three = keys("c-3", &["payment.problem"]);
    let longest = ["phrase:page shows error", "phrase:payment page shows", "phrase:shows error 4711"];
    assert_eq!(three, [&["intent:payment.problem"], &longest[..]].concat(), "none inside a longer one");
    let mut agents = message.clone();
    agents.author = crate::interaction::Author::Agent;
    assert_eq!(topics(&agents, &scored(&["praise"]), "c-9", &mut sketch), []);
}

#[test]
fn what_a_topic_covers() {
    let message = sample(Channel::Chat, "The payment page shows error 4711").unwrap();
    let intents = scored(&["other", "payment.problem", "technical.problem"]);
    for (topic, expected) in [
        (Topic::intent("payment.problem"), true),
        (Topic::intent("technical.problem"), false),
        (Topic::phrase("error 4711"), true),
        (Topic::phrase("error"), true),
        (Topic::phrase("error 4712"), false),
    ] {
        assert_eq!(topic.covers(&message, &intents), expected, "{topic:?}");
        assert_eq!(Topic::from_key(topic.key().to_owned()).kind(), topic.kind());
    }
    let id = Topic::phrase("error 4711").event_id(5);
    assert_eq!(id, Topic::phrase("error 4711").event_id(5));
    assert_ne!(id, Topic::phrase("error 4711").event_id(6));
    assert_ne!(id, Topic::intent("error 4711").event_id(5));
}

#[test]
fn hours_and_ratios() {
    let at: DateTime<Utc> = "2026-05-14T08:59:59Z".parse().unwrap();
    assert_eq!(hour_begins(hour_of(at)).to_rfc3339(), "2026-05-14T08:00:00+00:00");
    assert_eq!(hour_begins(hour_of("1969-12-31T23:30:00Z".parse().unwrap())).timestamp(), -3600);
    assert!((ratio(10, 4.0) - 2.5).abs() < 1e-9);
    assert!((ratio(10, 0.0) - 1e6).abs() < 1e-9);
}
