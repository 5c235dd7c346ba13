//! What the API takes and gives. Fields may be added, never renamed.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::{Author, Channel, Interaction};
use crate::routing::Decision;
use crate::store::Correction;
use crate::store::console::{Item, Note, Reviewed};

/// A page of the queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueuePage {
    /// In the order asked for.
    pub items: Vec<QueueItem>,
    /// Give it as `cursor` for the next page; null on the last. A page may be short, even empty, and not the last: for a filter that
    /// hardly anything matches each page looks through so many conversations and no more.
    pub next: Option<String>,
}

/// A conversation in the queue, as its latest decision left it; null is what the decision does not have.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueueItem {
    pub conversation_id: String,
    pub decided_at: DateTime<Utc>,
    /// `low`, `normal`, `high`, `urgent`.
    pub priority: String,
    /// `self_service`, `queue`, `escalate`, `none`.
    pub action: String,
    pub queue: Option<String>,
    /// Of the latest message.
    pub channel: String,
    pub stage: Option<String>,
    /// `negative`, `neutral`, `positive`.
    pub sentiment: String,
    /// Code of the language.
    pub language: String,
    /// The strongest one.
    pub intent: Option<String>,
    pub signals: Vec<String>,
    pub flags: Vec<String>,
    /// Answer due by.
    pub due_at: Option<DateTime<Utc>>,
    /// The beginning of the redacted text.
    pub excerpt: String,
    /// `open`, `assigned`, `resolved`, `reopened`.
    pub status: String,
    /// The account that has it.
    pub assignee: Option<String>,
}

/// A conversation with everything known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Conversation {
    pub item: QueueItem,
    /// The latest 200, oldest first.
    pub messages: Vec<Message>,
    /// What was said and done, oldest first.
    pub notes: Vec<NoteView>,
    /// What was confirmed or corrected, oldest first.
    pub corrections: Vec<Correction>,
    /// The customer's other conversations, newest first, at most 50.
    pub others: Vec<QueueItem>,
}

/// A message, redacted, with the decision in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Message {
    pub message_id: String,
    pub sent_at: DateTime<Utc>,
    pub channel: Channel,
    pub subject: Option<String>,
    pub turns: Vec<TurnView>,
    pub decision: Decision,
}

/// What somebody said.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TurnView {
    pub speaker: Author,
    pub text: String,
}

/// Something said or done.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NoteView {
    pub at: DateTime<Utc>,
    /// An account, or `api:` and the name of a token.
    pub account: String,
    /// `comment`, `assign`, `resolve`, `reopen`, `correct`.
    pub act: String,
    /// The comment; for `assign` the account it was given to.
    pub text: String,
}

/// What is right of a message; what is left out is right as it is, nothing at all confirms the decision.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrectionRequest {
    pub message_id: String,
    /// The decision that was looked at: when another one is in force by now, the answer is 409 and nothing is done.
    #[serde(default)]
    pub decision_id: Option<Uuid>,
    /// `negative`, `neutral`, `positive`.
    #[serde(default)]
    pub sentiment: Option<String>,
    /// Lower case, dotted.
    #[serde(default)]
    pub intent: Option<String>,
    #[serde(default)]
    pub stage: Option<String>,
    /// `low`, `normal`, `high`, `urgent`.
    #[serde(default)]
    pub priority: Option<String>,
    /// One of the policy's queues.
    #[serde(default)]
    pub queue: Option<String>,
    /// At most 4,000 characters.
    #[serde(default)]
    pub note: Option<String>,
}

/// What became of a correction.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CorrectionAnswer {
    /// What is not as it was (`sentiment`, `intents`, `stage`, `priority`, `queue`); nothing for a confirmation.
    pub changed: Vec<&'static str>,
    /// The decision in force now.
    pub decision: Decision,
}

/// To whom it is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignRequest {
    /// An account that may sign in.
    pub account: String,
}

/// A comment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentRequest {
    /// 1 to 4,000 characters.
    pub text: String,
}

impl From<Item> for QueueItem {
    fn from(item: Item) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            conversation_id: item.conversation_id,
            decided_at: item.decided_at,
            priority: item.priority,
            action: item.action,
            queue: some(item.queue),
            channel: item.channel,
            stage: some(item.stage),
            sentiment: item.sentiment,
            language: item.language,
            intent: some(item.intent),
            signals: item.signals,
            flags: item.flags,
            due_at: item.due_at,
            excerpt: item.excerpt,
            status: item.status.as_str().to_owned(),
            assignee: some(item.assignee),
        }
    }
}

impl From<Reviewed> for Conversation {
    fn from(reviewed: Reviewed) -> Self {
        Self {
            item: reviewed.item.into(),
            messages: reviewed.messages.into_iter().map(Message::from).collect(),
            notes: reviewed.notes.into_iter().map(NoteView::from).collect(),
            corrections: reviewed.corrections,
            others: reviewed.others.into_iter().map(QueueItem::from).collect(),
        }
    }
}

impl From<(Interaction, Decision)> for Message {
    fn from((interaction, decision): (Interaction, Decision)) -> Self {
        let turn = |turn: &crate::interaction::Turn| TurnView {
            speaker: turn.speaker,
            text: turn.text.as_str().to_owned(),
        };
        Self {
            message_id: interaction.message_id.clone(),
            sent_at: interaction.sent_at,
            channel: interaction.channel,
            subject: interaction.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            turns: interaction.turns.iter().map(turn).collect(),
            decision,
        }
    }
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        Self { at: note.at, account: note.account, act: note.act.as_str().to_owned(), text: note.text }
    }
}
