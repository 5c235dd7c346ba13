//! Contacts for the tests of this room.

use chrono::{DateTime, Duration, Utc};

use super::fold::FoldSettings;
use super::model::{Contact, Outcome};
use crate::interaction::{Author, Channel, Ratings};
use crate::nlp::understanding::Scored;

/// So many days after the start of the tests' time: 10 May 2026, 9 o'clock.
pub fn days(days: f64) -> DateTime<Utc> {
    let start = DateTime::parse_from_rfc3339("2026-05-10T09:00:00Z").unwrap().to_utc();
    #[expect(clippy::cast_possible_truncation, reason = "tests stay within a few years")]
    let millis = (days * 86_400_000.0) as i64;
    start + Duration::milliseconds(millis)
}

/// A customer's chat message that says nothing in particular.
pub fn contact(message: &str, conversation: &str, sentiment: f32) -> Contact {
    Contact {
        message_id: message.to_owned(),
        conversation_id: conversation.to_owned(),
        channel: Channel::Chat,
        author: Author::Customer,
        at: days(0.0),
        intents: Vec::new(),
        sentiment,
        stage: None,
        stage_confidence: 0.0,
        signals: Vec::new(),
        goal: None,
        effort: 0.0,
        ratings: Ratings::default(),
        promises: Vec::new(),
        auto_reply: false,
        language: "en".to_owned(),
        outcome: Outcome::None,
        gratitude: false,
        promise_unkept: false,
        of_promise: Default::default(),
        embedding: Vec::new(),
        summary: String::new(),
        answers: false,
        settles: Vec::new(),
        statements: Vec::new(),
    }
}

/// The same about an intent, so many days after the start.
pub fn about(message: &str, conversation: &str, intent: &str, at: f64) -> Contact {
    Contact {
        intents: vec![Scored { name: intent.to_owned(), confidence: 0.9 }],
        at: days(at),
        ..contact(message, conversation, -0.1)
    }
}

/// The defaults of the configuration.
pub fn settings() -> FoldSettings {
    FoldSettings {
        max_contacts: 64,
        repeat_days: 30,
        repeat_similarity: 0.6,
        experience_half_life_days: 60.0,
        survey_days: 30,
        zone: chrono_tz::Tz::UTC,
    }
}
