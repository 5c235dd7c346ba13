//! What can be done with a conversation, for the pages and for the HTTP API alike: assign, resolve, reopen, comment, confirm,
//! correct.

use chrono::{SubsecRound as _, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::Console;
use super::fault::Fault;
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::routing::correction::{CorrectedEvent, EVENT, Right, Superseding, superseding};
use crate::routing::decision::{Decision, Level};
use crate::routing::event::{self, Event};
use crate::store::console::{Act, Corrected, Note};
use crate::store::{CORRECTION_SCHEMA, Correction, CorrectionMessage, Destination, OutboxMessage};

/// Longest comment or note, in characters.
const LONGEST: usize = 4000;

/// Assigns to the account that `text` names, resolves, reopens, or comments with `text`.
pub(super) async fn act(
    console: &Console,
    account: &str,
    id: &str,
    act: Act,
    text: &str,
) -> Result<(), Fault> {
    let text = match act {
        Act::Assign => text.to_owned(),
        Act::Comment => text.trim().to_owned(),
        Act::Resolve | Act::Reopen => String::new(),
        Act::Correct => return Err(Fault::BadRequest),
    };
    let empty = act == Act::Comment && text.is_empty();
    if empty || text.chars().count() > LONGEST || text.contains('\0') {
        return Err(Fault::BadRequest);
    }
    let note = Note { at: Utc::now(), account: account.to_owned(), act, text };
    if console.store.note(id, &note).await? { Ok(()) } else { Err(Fault::NotFound) }
}

/// What a person says is right of a message, as texts; what is empty is right as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    pub message: String,
    /// The decision that was looked at; when another one is in force by now, nothing is done. Empty: whichever is.
    pub decision: String,
    pub sentiment: String,
    pub intent: String,
    pub stage: String,
    pub priority: String,
    pub queue: String,
    pub note: String,
}

/// What became of it.
pub(super) struct Done {
    /// The decision in force now.
    pub decision: Decision,
    /// What is not as it was; nothing for a confirmation.
    pub changed: Vec<&'static str>,
}

/// Keeps a confirmation (nothing said) or a correction. A correction makes a superseding decision; it, its event and the
/// correction are published together.
pub(super) async fn correct(console: &Console, account: &str, id: &str, said: &Said) -> Result<Done, Fault> {
    let correction = read(said, account)?;
    let reviewed = console.store.conversation(id).await?.ok_or(Fault::NotFound)?;
    let message = reviewed.messages.iter().find(|(_, decision)| decision.message_id == said.message);
    let (interaction, decision) = message.ok_or(Fault::NotFound)?;
    if !said.decision.is_empty() && said.decision != decision.decision_id.to_string() {
        return Err(Fault::Conflict);
    }
    let (policy, right) = (console.policy.current(), correction.right());
    let made = superseding(&policy, decision, interaction.sent_at, &right, correction.corrected_at)
        .map_err(|_| Fault::BadRequest)?;
    let earlier = reviewed.corrections.iter().rfind(|earlier| earlier.message_id == said.message);
    let correction = match earlier {
        Some(earlier) => correction.over(earlier),
        None => correction,
    };
    let outbox = outbox(id, decision, &correction, made.as_ref()).map_err(|_| Fault::BadRequest)?;
    let note = Note {
        at: correction.corrected_at,
        account: account.to_owned(),
        act: Act::Correct,
        text: correction.note.clone().unwrap_or_default(),
    };
    let new = made.as_ref().map(|made| (&made.decision, interaction));
    match console.store.correct_with(id, &correction, &note, new, &outbox).await? {
        Corrected::Kept => {}
        Corrected::Unknown => return Err(Fault::NotFound),
        Corrected::Overtaken => return Err(Fault::Conflict),
    }
    Ok(match made {
        Some(Superseding { decision, changed }) => Done { decision, changed },
        None => Done { decision: decision.clone(), changed: Vec::new() },
    })
}

fn outbox(
    id: &str,
    decision: &Decision,
    correction: &Correction,
    made: Option<&Superseding>,
) -> Result<Vec<OutboxMessage>, serde_json::Error> {
    let said = CorrectionMessage {
        schema: CORRECTION_SCHEMA.to_owned(),
        decision_id: decision.decision_id,
        superseded_by: made.map(|made| made.decision.decision_id),
        conversation_id: id.to_owned(),
        correction: correction.clone(),
    };
    let mut outbox = Vec::new();
    if let Some(Superseding { decision: new, changed }) = made {
        outbox.push(OutboxMessage {
            id: new.decision_id.to_string(),
            destination: Destination::Decisions,
            routing_key: new.routing_key(),
            body: serde_json::to_string(new)?,
        });
        let event_id = Uuid::new_v5(&new.decision_id, EVENT.as_bytes());
        let (correction_id, supersedes) = (correction.correction_id, decision.decision_id);
        let change = CorrectedEvent { event: EVENT, correction_id, supersedes, changed };
        outbox.push(OutboxMessage {
            id: event_id.to_string(),
            destination: Destination::Events,
            routing_key: event::routing_key(new, EVENT),
            body: serde_json::to_string(&Event::of(new, event_id, change))?,
        });
    }
    let latest = made.map_or(decision, |made| &made.decision);
    outbox.push(OutboxMessage {
        id: correction.correction_id.to_string(),
        destination: Destination::Corrections,
        routing_key: latest.routing_key(),
        body: serde_json::to_string(&said)?,
    });
    Ok(outbox)
}

fn read(said: &Said, account: &str) -> Result<Correction, Fault> {
    fn label<T>(text: &str, find: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        if text.is_empty() { Ok(None) } else { find(text).map(Some).ok_or(Fault::BadRequest) }
    }
    let intent = said.intent.trim();
    let named = intent.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    let note = said.note.trim();
    if !named || intent.len() > 100 || note.chars().count() > LONGEST || note.contains('\0') {
        return Err(Fault::BadRequest);
    }
    let level = |name: &str| Level::ALL.into_iter().find(|level| level.as_str() == name);
    let Right { sentiment, intents, stage, priority, queue } = Right {
        sentiment: label(&said.sentiment, SentimentLabel::from_name)?,
        intents: (!intent.is_empty()).then(|| vec![intent.to_owned()]),
        stage: label(&said.stage, Stage::from_name)?,
        priority: label(&said.priority, level)?,
        queue: (!said.queue.is_empty()).then(|| said.queue.clone()),
    };
    Ok(Correction {
        correction_id: Uuid::new_v4(),
        message_id: said.message.clone(),
        corrected_at: Utc::now().trunc_subsecs(3),
        corrected_by: account.to_owned(),
        sentiment,
        intents,
        stage,
        priority,
        queue,
        note: (!note.is_empty()).then(|| note.to_owned()),
    })
}
