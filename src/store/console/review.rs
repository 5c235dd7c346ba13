//! The row of a conversation in the review queue, made from its latest decision and written in the same transaction.

use chrono::{DateTime, Utc};

use crate::interaction::Interaction;
use crate::routing::Decision;
use crate::routing::decision::{Action, Level};
use crate::store::StoreError;
use crate::store::link::Param::{Int, Text};
use crate::store::link::{Cell, Statement, cells};

/// Characters of a message that a search looks at.
const SEARCHED: usize = 4_000;
/// Characters of it that the queue shows.
const EXCERPT: usize = 160;
/// Above every due time in milliseconds: what has none comes after what has one.
const LATEST: i64 = 10_000_000_000_000;

/// How far the work on a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody has taken it.
    Open,
    /// Somebody has.
    Assigned,
    /// Nothing is left to do.
    Resolved,
    /// There is again: by hand, or because the customer wrote again.
    Reopened,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Open, Self::Assigned, Self::Resolved, Self::Reopened];

    /// The name in the store and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Assigned => "assigned",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }
}

/// A conversation in the queue, as its latest decision left it. What a decision does not have is an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub conversation_id: String,
    /// When the latest decision was made.
    pub decided_at: DateTime<Utc>,
    /// The sort key of the most urgent.
    pub urgency: i64,
    /// Priority level.
    pub priority: String,
    /// What to do with it.
    pub action: String,
    /// Queue name.
    pub queue: String,
    /// Channel of the latest message.
    pub channel: String,
    /// Where the customer stands.
    pub stage: String,
    /// Sentiment label.
    pub sentiment: String,
    /// Language code.
    pub language: String,
    /// The strongest intent.
    pub intent: String,
    /// Signals.
    pub signals: Vec<String>,
    /// Flags.
    pub flags: Vec<String>,
    /// Answer due by.
    pub due_at: Option<DateTime<Utc>>,
    /// The beginning of the redacted text.
    pub excerpt: String,
    /// How far the work is.
    pub status: Status,
    /// Who has it; empty for nobody.
    pub assignee: String,
}

/// The columns of an [`Item`], in the order that [`item`] reads.
pub(super) const COLUMNS: &str = "conversation_id, decided_at, urgency, priority, action, queue, channel, stage, \
    sentiment, language, intent, signals, flags, due_at, excerpt, status, assignee";

pub(super) fn item(row: Vec<Cell>) -> Result<Item, StoreError> {
    let [
        conversation_id,
        decided_at,
        urgency,
        priority,
        action,
        queue,
        channel,
        stage,
        sentiment,
        language,
        intent,
        signals,
        flags,
        due_at,
        excerpt,
        status,
        assignee,
    ] = cells(row)?;
    let marks = |cell: Cell| cell.text().map(|text| text.split_whitespace().map(str::to_owned).collect());
    let status = status.text()?;
    Ok(Item {
        conversation_id: conversation_id.text()?,
        decided_at: time(&decided_at)?,
        urgency: urgency.int()?,
        priority: priority.text()?,
        action: action.text()?,
        queue: queue.text()?,
        channel: channel.text()?,
        stage: stage.text()?,
        sentiment: sentiment.text()?,
        language: language.text()?,
        intent: intent.text()?,
        signals: marks(signals)?,
        flags: marks(flags)?,
        due_at: if due_at.int()? == 0 { None } else { Some(time(&due_at)?) },
        excerpt: excerpt.text()?,
        status: Status::ALL
            .into_iter()
            .find(|known| known.as_str() == status)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown status {status}")))?,
        assignee: assignee.text()?,
    })
}

/// Microseconds since 1970 as a time.
pub(super) fn time(cell: &Cell) -> Result<DateTime<Utc>, StoreError> {
    let micros = cell.int()?;
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::Corrupt(format!("{micros} is no time in microseconds")))
}

/// What a decision writes into the queue.
pub(in crate::store) struct Projection {
    conversation: String,
    message: String,
    at: i64,
    listed: bool,
    urgency: i64,
    texts: [String; 12],
    due_at: i64,
}

impl Projection {
    pub(in crate::store) fn of(decision: &Decision, interaction: &Interaction) -> Self {
        let analysis = &decision.analysis;
        let due = decision.route.sla_due_at;
        let marks = |names: Vec<&str>| match names.is_empty() {
            true => String::new(),
            false => format!(" {} ", names.join(" ")),
        };
        let words: String = interaction.document().chars().take(SEARCHED).collect();
        Self {
            conversation: decision.conversation_id.clone(),
            message: decision.message_id.clone(),
            at: decision.decided_at.timestamp_micros(),
            listed: decision.route.action == Action::Escalate || !decision.flags.is_empty(),
            urgency: urgency(decision.priority.level, due),
            texts: [
                decision.priority.level.as_str().to_owned(),
                decision.route.action.as_str().to_owned(),
                decision.route.queue.clone().unwrap_or_default(),
                decision.channel.as_str().to_owned(),
                analysis.stage.as_ref().map_or_else(String::new, |stage| stage.name.to_string()),
                analysis.sentiment.label.to_string(),
                analysis.language.code.clone(),
                analysis.intents.first().map_or_else(String::new, |intent| intent.name.clone()),
                marks(analysis.signals.iter().map(|signal| signal.name.as_str()).collect()),
                marks(decision.flags.iter().map(String::as_str).collect()),
                words.to_lowercase(),
                words.chars().take(EXCERPT).collect(),
            ],
            due_at: due.map_or(0, |due| due.timestamp_micros()),
        }
    }

    /// As of another time, in microseconds since 1970.
    pub(super) fn at(mut self, at: i64) -> Self {
        self.at = at;
        self
    }
}

/// Between which two sort keys a level lies; the highest is the lowest of the next level, too.
pub(super) fn urgencies(level: Level) -> (i64, i64) {
    let lowest = urgency(level, None);
    (lowest, lowest + LATEST)
}

/// Highest first: the level, then what is due first, then what is never due.
fn urgency(level: Level, due: Option<DateTime<Utc>>) -> i64 {
    let level: i64 = match level {
        Level::Low => 0,
        Level::Normal => 1,
        Level::High => 2,
        Level::Urgent => 3,
    };
    let due = due.map_or(LATEST, |due| due.timestamp_millis().clamp(0, LATEST));
    level * LATEST + (LATEST - due)
}

const MESSAGE: &str = "INSERT INTO review_messages (message_id, conversation_id, decided_at) VALUES ($1, $2, $3) \
    ON CONFLICT (message_id) DO NOTHING";

/// A decision older than the row's leaves it alone. A resolved conversation comes back when it has to be looked at again.
const REVIEW: &str = "INSERT INTO review (conversation_id, message_id, decided_at, listed, urgency, priority, action, \
        queue, channel, stage, sentiment, language, intent, signals, flags, words, excerpt, due_at, status, done, \
        assignee) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 'open', 0, '') \
    ON CONFLICT (conversation_id) DO UPDATE SET message_id = excluded.message_id, \
        decided_at = excluded.decided_at, listed = excluded.listed, urgency = excluded.urgency, \
        priority = excluded.priority, action = excluded.action, queue = excluded.queue, \
        channel = excluded.channel, stage = excluded.stage, sentiment = excluded.sentiment, \
        language = excluded.language, intent = excluded.intent, signals = excluded.signals, \
        flags = excluded.flags, words = excluded.words, excerpt = excluded.excerpt, due_at = excluded.due_at, \
        status = CASE WHEN review.done = 1 AND excluded.listed = 1 AND excluded.message_id <> review.message_id \
            THEN 'reopened' ELSE review.status END, \
        done = CASE WHEN excluded.listed = 1 AND excluded.message_id <> review.message_id \
            THEN 0 ELSE review.done END \
    WHERE review.decided_at <= excluded.decided_at";

/// Writes it. The message's inbox row has to be there.
pub(in crate::store) fn project(row: &Projection) -> [Statement<'_>; 2] {
    let (conversation, message, at) = (Text(&row.conversation), Text(&row.message), Int(row.at));
    let mut params = vec![conversation, message, at, Int(row.listed.into()), Int(row.urgency)];
    params.extend(row.texts.iter().map(|text| Text(text)));
    params.push(Int(row.due_at));
    [Statement::new(MESSAGE, [message, conversation, at]), Statement::new(REVIEW, params)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgency_puts_levels_first_then_what_is_due() {
        let at = |seconds: i64| DateTime::from_timestamp(1_780_000_000 + seconds, 0);
        let order = [
            urgency(Level::Urgent, at(60)),
            urgency(Level::Urgent, at(120)),
            urgency(Level::Urgent, None),
            urgency(Level::High, at(-60)),
            urgency(Level::Normal, at(60)),
            urgency(Level::Low, None),
        ];
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    }
}
