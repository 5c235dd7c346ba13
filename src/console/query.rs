//! What an address of the queue says, and addresses made from it.

use axum::extract::Query;
use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::store::console::{Cursor, Filter, Sorting, Status};

/// Conversations on a page of the queue.
pub const PAGE: u32 = 40;

/// A text as part of an address.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A form's fields.
pub fn parsed<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // The form of a body is that of a query.
    let body = std::str::from_utf8(body).ok()?;
    let uri: Uri = format!("/?{body}").parse().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(value)| value)
}

/// One field of a form.
pub fn field(body: &[u8], name: &str) -> Option<String> {
    let fields: Vec<(String, String)> = parsed(body)?;
    fields.into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// The query string of the queue and of a conversation opened from it. What is empty does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct QueueQuery {
    /// `mine`, `resolved`, or empty for everything to do.
    pub view: String,
    /// `newest`, or empty for the most urgent.
    pub sort: String,
    /// Status.
    pub status: String,
    /// Priority level.
    pub priority: String,
    /// Queue name.
    pub queue: String,
    /// Channel.
    pub channel: String,
    /// Stage.
    pub stage: String,
    /// Sentiment label.
    pub sentiment: String,
    /// Language code.
    pub language: String,
    /// Signal or flag.
    pub signal: String,
    /// Words.
    pub q: String,
    /// Sort key to begin behind.
    pub after: String,
    /// Conversation to begin behind.
    pub behind: String,
    /// What was just done, said once.
    pub told: String,
}

impl QueueQuery {
    /// The fields of the filter form, with their values.
    pub fn pairs(&self) -> [(&'static str, &str); 11] {
        [
            ("view", &self.view),
            ("sort", &self.sort),
            ("status", &self.status),
            ("priority", &self.priority),
            ("queue", &self.queue),
            ("channel", &self.channel),
            ("stage", &self.stage),
            ("sentiment", &self.sentiment),
            ("language", &self.language),
            ("signal", &self.signal),
            ("q", &self.q),
        ]
    }

    /// As a query string, question mark included; empty when nothing narrows. The place is left out.
    pub fn address(&self) -> String {
        let pairs = self.pairs();
        let set: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if set.is_empty() { String::new() } else { format!("?{}", set.join("&")) }
    }

    /// The page behind a place.
    pub fn behind(&self, cursor: &Cursor) -> String {
        let address = self.address();
        let start = if address.is_empty() { "?" } else { "&" };
        format!("{address}{start}after={}&behind={}", cursor.key, encoded(&cursor.conversation_id))
    }

    /// The place to begin behind; an error when the address has half of one.
    pub fn cursor(&self) -> Result<Option<Cursor>, std::num::ParseIntError> {
        if self.after.is_empty() {
            return Ok(None);
        }
        let key = self.after.parse()?;
        Ok(Some(Cursor { key, conversation_id: self.behind.clone() }))
    }

    /// What the store is asked.
    pub fn filter(&self, account: &str) -> Filter {
        let mine = self.view == "mine";
        Filter {
            done: self.view == "resolved" || self.status == Status::Resolved.as_str(),
            sorting: if self.sort == "newest" { Sorting::Newest } else { Sorting::Urgent },
            assignee: if mine { account.to_owned() } else { String::new() },
            status: self.status.clone(),
            priority: self.priority.clone(),
            queue: self.queue.clone(),
            channel: self.channel.clone(),
            stage: self.stage.clone(),
            sentiment: self.sentiment.clone(),
            language: self.language.clone(),
            signal: self.signal.clone(),
            text: self.q.trim().to_owned(),
            look_through: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_was_made_from() {
        let query = QueueQuery { view: "mine".into(), q: "50% & più".into(), ..QueueQuery::default() };
        let uri: Uri = format!("/queue{}", query.address()).parse().unwrap();
        assert_eq!(Query::<QueueQuery>::try_from_uri(&uri).unwrap().0, query);
        let cursor = Cursor { key: -3, conversation_id: "a/b&c".into() };
        let uri: Uri = format!("/queue{}", query.behind(&cursor)).parse().unwrap();
        assert_eq!(Query::<QueueQuery>::try_from_uri(&uri).unwrap().0.cursor().unwrap(), Some(cursor));
        assert_eq!(field(b"a=1&csrf=x+y", "csrf").as_deref(), Some("x y"));
    }
}
