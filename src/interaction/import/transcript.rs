//! What was said in a call, cue by cue, as an interaction with turns.

use super::ids::{digest, hex, taken};
use super::speakers::roles;
use super::{ImportError, Settings, Transcribed, Whole, blank, split, times};
use crate::interaction::model::{Author, Channel};
use crate::interaction::wire::WireTurn;

/// A cue that begins so soon after another of the same speaker goes on with the same turn.
const PAUSE_MS: u64 = 2_000;
/// A turn of so many bytes is ended by the next cue in any case, so that its times stay of use.
const LONG_TURN: usize = 1_000;

/// A piece of a transcript.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Cue {
    pub start_ms: Option<u64>,
    pub end_ms: Option<u64>,
    pub speaker: Option<String>,
    pub text: String,
    pub confidence: Option<f32>,
}

impl Cue {
    /// Without times.
    #[cfg(test)]
    pub(super) fn said(speaker: Option<&str>, text: &str) -> Self {
        Self { speaker: speaker.map(str::to_owned), text: text.to_owned(), ..Self::default() }
    }
}

/// What a transcript says beside its cues.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// BCP 47.
    pub language: Option<String>,
}

/// A transcript whose cues may or may not name speakers. The conversation is the file; cues without a speaker go on with
/// the one before, and what comes before the first is an announcement.
pub(super) fn transcribed(
    whole: &Whole<'_>,
    mut cues: Vec<Cue>,
    about: About,
    settings: &Settings,
) -> Result<Transcribed, ImportError> {
    cues.retain(|cue| !cue.text.trim().is_empty());
    if cues.is_empty() {
        return Err(ImportError::NoWords);
    }
    let unattributed = cues.iter().all(|cue| cue.speaker.is_none());
    let roles = roles(&cues, settings)?;
    let mut current = if unattributed { Author::Customer } else { Author::Bot };
    let spoken: Vec<(Author, Cue)> = cues
        .into_iter()
        .map(|cue| {
            if let Some(role) = cue.speaker.as_ref().and_then(|name| roles.get(name)) {
                current = *role;
            }
            (current, cue)
        })
        .collect();
    let content = hex(digest(&[whole.bytes]), 16);
    let stem = whole.stem.and_then(taken);
    let conversation = stem.clone().unwrap_or_else(|| format!("transcript-{content}"));
    let message = stem.map_or_else(|| conversation.clone(), |stem| format!("{stem}.{content}"));
    let mut interaction = blank(message, conversation, settings.channel.unwrap_or(Channel::Call));
    interaction.language = about.language.or_else(|| settings.language.clone());
    interaction.sent_at = whole.stem.and_then(times::in_name).or(settings.sent_at);
    let parts = split::parts(&interaction, turns(spoken))?;
    Ok(Transcribed { parts, unattributed, left_out: Vec::new() })
}

/// Cues of one speaker that follow each other closely, as one turn.
fn turns(cues: Vec<(Author, Cue)>) -> Vec<WireTurn> {
    let mut turns: Vec<WireTurn> = Vec::new();
    for (author, cue) in cues {
        let speaker = speaker(author);
        if let Some(last) = turns.last_mut()
            && last.speaker == speaker
            && last.text.len() < LONG_TURN
            && matches!((last.end_ms, cue.start_ms), (Some(end), Some(start)) if start < end.saturating_add(PAUSE_MS))
        {
            last.text.push(' ');
            last.text.push_str(cue.text.trim());
            last.end_ms = cue.end_ms.max(last.end_ms);
            // A turn is as sure as its least sure piece.
            last.confidence = match (last.confidence, cue.confidence) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            continue;
        }
        turns.push(WireTurn {
            speaker: speaker.to_owned(),
            text: cue.text.trim().to_owned(),
            start_ms: cue.start_ms,
            end_ms: cue.end_ms.filter(|end| cue.start_ms.is_none_or(|start| *end >= start)),
            confidence: cue.confidence,
        });
    }
    turns
}

/// The name of a side on the wire.
pub(super) fn speaker(author: Author) -> &'static str {
    match author {
        Author::Customer => "customer",
        Author::Agent => "agent",
        Author::Bot => "bot",
    }
}
