//! A row per message: what arrived, redacted.

use super::decisions::name;
use super::table::Kind::{List, Text, Time, Whole, Words};
use super::table::{Column, Value, every, list, some};
use crate::interaction::Author;
use crate::store::Past;

/// The columns, in order.
pub fn columns() -> Vec<Column<Past>> {
    vec![
        every("message_id", Text, |past| (&past.interaction.message_id).into()),
        every("conversation_id", Text, |past| (&past.interaction.conversation_id).into()),
        every("customer_id", Text, |past| (&past.customer).into()),
        every("channel", Text, |past| past.interaction.channel.as_str().into()),
        every("author", Text, |past| author(past).into()),
        every("sent_at", Time, |past| past.interaction.sent_at.into()),
        every("decided_at", Time, |past| past.decision.decided_at.into()),
        some("language_hint", Text, |past| past.interaction.language_hint.as_ref().into()),
        every("language", Text, |past| (&past.decision.analysis.language.code).into()),
        every("turns", Whole, |past| past.interaction.turns.len().into()),
        every("customer_turns", Whole, |past| {
            past.interaction.turns.iter().filter(|turn| turn.speaker == Author::Customer).count().into()
        }),
        every("characters", Whole, |past| past.interaction.document().chars().count().into()),
        some("nps", Whole, |past| past.interaction.ratings.nps.into()),
        some("csat", Whole, |past| past.interaction.ratings.csat.into()),
        some("ces", Whole, |past| past.interaction.ratings.ces.into()),
        some("rating", Whole, |past| past.interaction.ratings.rating.into()),
        every("attachments", Whole, |past| past.interaction.attachments.len().into()),
        some("auto_reply", Text, |past| past.interaction.auto_reply.as_ref().into()),
        every("attribute_names", List, |past| list(past.interaction.attributes.keys())),
        every("attributes", Words, |past| {
            // A map of texts always has a JSON form.
            serde_json::to_string(&past.interaction.attributes).map_or(Value::Missing, Value::from)
        }),
        some("subject", Words, |past| past.interaction.subject.as_ref().map(|text| text.as_str()).into()),
        every("text", Words, |past| past.interaction.document().into()),
    ]
}

/// Who wrote it.
pub(super) fn author(past: &Past) -> String {
    name(&past.interaction.author)
}
