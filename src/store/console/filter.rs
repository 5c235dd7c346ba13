//! Which conversations a page of the queue shows. The statement is put together from constant pieces; what a user typed
//! travels in parameters only.

use super::review::{COLUMNS, Item};
use crate::store::link::Param::{self, Int, Text};

/// The order of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sorting {
    /// The highest priority first, within it what is due first.
    #[default]
    Urgent,
    /// The latest decision first.
    Newest,
}

/// Which conversations; an empty text does not narrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The resolved ones instead of those that are not.
    pub done: bool,
    /// In which order.
    pub sorting: Sorting,
    /// Assigned to this account.
    pub assignee: String,
    /// `open`, `assigned`, `resolved`, `reopened`.
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
    /// A signal or flag.
    pub signal: String,
    /// Words of the redacted text of the latest message (its first 4,000 characters), in any case.
    pub text: String,
}

/// A place in the queue: behind one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key of that conversation.
    pub key: i64,
    /// Its id.
    pub conversation_id: String,
}

impl Cursor {
    /// Behind this one.
    pub fn behind(item: &Item, sorting: Sorting) -> Self {
        let key = match sorting {
            Sorting::Urgent => item.urgency,
            Sorting::Newest => item.decided_at.timestamp_micros(),
        };
        Self { key, conversation_id: item.conversation_id.clone() }
    }
}

/// A statement with its parameters, in the order of their numbers.
pub(super) struct Statement {
    pub sql: String,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Int(i64),
}

impl Statement {
    pub fn page(filter: &Filter, after: Option<&Cursor>, limit: u32) -> Self {
        let key = match filter.sorting {
            Sorting::Urgent => "urgency",
            Sorting::Newest => "decided_at",
        };
        let mut this = Self::begin(&format!("SELECT {COLUMNS} FROM review"), filter);
        if let Some(after) = after {
            let (key_at, id_at) = (this.int(after.key), this.text(&after.conversation_id));
            this.sql += &format!(" AND ({key}, conversation_id) < ({key_at}, {id_at})");
        }
        let limit = this.int(limit.into());
        this.sql += &format!(" ORDER BY {key} DESC, conversation_id DESC LIMIT {limit}");
        this
    }

    pub fn count(filter: &Filter, most: u32) -> Self {
        let mut this = Self::begin("SELECT COUNT(*) FROM (SELECT 1 AS one FROM review", filter);
        let limit = this.int(most.into());
        this.sql += &format!(" LIMIT {limit}) AS found");
        this
    }

    fn begin(select: &str, filter: &Filter) -> Self {
        // Constants, not parameters: the partial indexes are found by them.
        let done = if filter.done { "done = 1" } else { "done = 0" };
        let mut this = Self { sql: format!("{select} WHERE listed = 1 AND {done}"), values: Vec::new() };
        if !filter.assignee.is_empty() {
            this.sql += " AND assignee <> ''";
        }
        for (column, value) in [
            ("assignee", &filter.assignee),
            ("status", &filter.status),
            ("priority", &filter.priority),
            ("queue", &filter.queue),
            ("channel", &filter.channel),
            ("stage", &filter.stage),
            ("sentiment", &filter.sentiment),
            ("language", &filter.language),
        ] {
            if !value.is_empty() {
                let at = this.text(value);
                this.sql += &format!(" AND {column} = {at}");
            }
        }
        if !filter.signal.is_empty() {
            let at = this.text(&format!("% {} %", escaped(&filter.signal)));
            this.sql += &format!(" AND (signals LIKE {at} ESCAPE '\\' OR flags LIKE {at} ESCAPE '\\')");
        }
        if !filter.text.is_empty() {
            let at = this.text(&format!("%{}%", escaped(&filter.text.to_lowercase())));
            this.sql += &format!(" AND words LIKE {at} ESCAPE '\\'");
        }
        this
    }

    fn text(&mut self, value: &str) -> String {
        // PostgreSQL takes no such character in a text; nothing stored has one.
        self.values.push(Value::Text(value.replace('\0', "")));
        format!("${}", self.values.len())
    }

    fn int(&mut self, value: i64) -> String {
        self.values.push(Value::Int(value));
        format!("${}", self.values.len())
    }

    pub fn params(&self) -> Vec<Param<'_>> {
        self.values
            .iter()
            .map(|value| match value {
                Value::Text(text) => Text(text),
                Value::Int(int) => Int(*int),
            })
            .collect()
    }
}

/// A text that LIKE takes for itself.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_never_becomes_sql() {
        let nasty = "'; DROP TABLE review; --";
        let filter = Filter { queue: nasty.into(), text: "50%_\\".into(), ..Filter::default() };
        let cursor = Cursor { key: 7, conversation_id: nasty.into() };
        let statement = Statement::page(&filter, Some(&cursor), 10);
        assert!(!statement.sql.contains("DROP") && statement.sql.contains("queue = $1"), "{}", statement.sql);
        let params = statement.params();
        assert_eq!(params.len(), 5);
        assert!(matches!(params[1], Text("%50\\%\\_\\\\%")), "{params:?}");
    }
}
