//! Which conversations a page of the queue shows. The statement is put together from constant pieces; what a user typed
//! travels in parameters only.

use super::review::{COLUMNS, Item, urgencies};
use crate::routing::decision::Level;
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
    /// Most conversations looked through for one page where no index finds them; [`LOOKED_THROUGH`] when none is given.
    pub look_through: Option<u32>,
}

/// So many conversations are looked through for one page, so that a filter that hardly anything matches takes no longer
/// than others: the page then has what was found so far, and the place to go on from.
pub const LOOKED_THROUGH: u32 = 5_000;

/// A page of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In order.
    pub items: Vec<Item>,
    /// Where the next page begins; none when there is nothing behind.
    pub next: Option<Cursor>,
    /// The page is short because enough was looked through, not because there is no more.
    pub is_cut: bool,
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
        let (mut this, key) = Self::looked_through(COLUMNS, filter, after);
        let rest = this.rest(filter);
        if rest.is_empty() {
            let limit = this.int(limit.into());
            this.sql += &format!(" LIMIT {limit}");
        } else {
            let (most, limit) = (this.int(most(filter).into()), this.int(limit.into()));
            // Both databases keep the order of the inner rows and stop at the limit; sorting again would read all of them.
            this.sql = format!(
                "SELECT {COLUMNS} FROM ({} LIMIT {most}) AS looked WHERE {key} IS NOT NULL{rest} LIMIT {limit}",
                this.sql.replacen(COLUMNS, &format!("{COLUMNS}, words"), 1)
            );
        }
        this
    }

    /// The last of those that a page looks through; none when there is an index for all of the filter.
    pub fn last_looked_at(filter: &Filter, after: Option<&Cursor>) -> Option<Self> {
        let key = key(filter);
        let (mut this, _) = Self::looked_through(&format!("{key}, conversation_id"), filter, after);
        let values = this.values.len();
        let is_whole = this.rest(filter).is_empty();
        this.values.truncate(values);
        let skipped = this.int(i64::from(most(filter)) - 1);
        this.sql += &format!(" LIMIT 1 OFFSET {skipped}");
        (!is_whole).then_some(this)
    }

    pub fn count(filter: &Filter, most: u32) -> Self {
        let mut this = Self::begin("SELECT COUNT(*) FROM (SELECT 1 AS one FROM review", filter);
        let rest = this.rest(filter);
        let limit = this.int(most.into());
        this.sql += &format!("{rest} LIMIT {limit}) AS found");
        this
    }

    /// In order, by what there is an index for.
    fn looked_through(columns: &str, filter: &Filter, after: Option<&Cursor>) -> (Self, &'static str) {
        let key = key(filter);
        let mut this = Self::begin(&format!("SELECT {columns} FROM review"), filter);
        if let Some(after) = after {
            let (key_at, id_at) = (this.int(after.key), this.text(&after.conversation_id));
            this.sql += &format!(" AND ({key}, conversation_id) < ({key_at}, {id_at})");
        }
        this.sql += &format!(" ORDER BY {key} DESC, conversation_id DESC");
        (this, key)
    }

    fn begin(select: &str, filter: &Filter) -> Self {
        // Constants, not parameters: the partial indexes are found by them.
        let done = if filter.done { "done = 1" } else { "done = 0" };
        let mut this = Self { sql: format!("{select} WHERE listed = 1 AND {done}"), values: Vec::new() };
        if !filter.assignee.is_empty() {
            let at = this.text(&filter.assignee);
            this.sql += &format!(" AND assignee <> '' AND assignee = {at}");
        }
        if filter.sorting == Sorting::Urgent {
            let level = Level::ALL.into_iter().find(|level| level.as_str() == filter.priority);
            if let Some(level) = level {
                let (lowest, highest) = urgencies(level);
                let (lowest, highest) = (this.int(lowest), this.int(highest));
                this.sql += &format!(" AND urgency >= {lowest} AND urgency <= {highest}");
                this.equal("priority", &filter.priority);
            }
            this.equal("status", &filter.status);
            this.equal("queue", &filter.queue);
        }
        this
    }

    fn equal(&mut self, column: &str, value: &str) {
        if !value.is_empty() {
            let at = self.text(value);
            self.sql += &format!(" AND {column} = {at}");
        }
    }

    /// The conditions that have to be looked for row by row; empty when there are none.
    fn rest(&mut self, filter: &Filter) -> String {
        let sql = std::mem::take(&mut self.sql);
        if filter.sorting == Sorting::Newest {
            self.equal("status", &filter.status);
            self.equal("queue", &filter.queue);
        }
        let is_known = Level::ALL.iter().any(|level| level.as_str() == filter.priority);
        if filter.sorting == Sorting::Newest || !is_known {
            self.equal("priority", &filter.priority);
        }
        for (column, value) in [
            ("channel", &filter.channel),
            ("stage", &filter.stage),
            ("sentiment", &filter.sentiment),
            ("language", &filter.language),
        ] {
            self.equal(column, value);
        }
        if !filter.signal.is_empty() {
            let at = self.text(&format!("% {} %", escaped(&filter.signal)));
            self.sql += &format!(" AND (signals LIKE {at} ESCAPE '\\' OR flags LIKE {at} ESCAPE '\\')");
        }
        if !filter.text.is_empty() {
            let at = self.text(&format!("%{}%", escaped(&filter.text.to_lowercase())));
            self.sql += &format!(" AND words LIKE {at} ESCAPE '\\'");
        }
        std::mem::replace(&mut self.sql, sql)
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

fn key(filter: &Filter) -> &'static str {
    match filter.sorting {
        Sorting::Urgent => "urgency",
        Sorting::Newest => "decided_at",
    }
}

fn most(filter: &Filter) -> u32 {
    filter.look_through.unwrap_or(LOOKED_THROUGH).max(1)
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
        assert_eq!(params.len(), 6);
        assert!(matches!(params[3], Text("%50\\%\\_\\\\%")), "{params:?}");
    }
}
