//! A conversation longer than one message may be, as several of the same conversation.

use chrono::TimeDelta;

use super::{ImportError, size};
use crate::interaction::fields::MAX_TURNS;
use crate::interaction::json::MAX_BYTES;
use crate::interaction::wire::{WireInteraction, WireTurn};

/// Room for what the parts add: the end of the id, brackets.
const ROOM: usize = 64;

/// `whole` with its turns, in as few parts as fit. A single part keeps the id; of several, the id of each ends in its number.
/// A part begins when its first turn does, where that is known.
pub(super) fn parts(
    whole: &WireInteraction,
    turns: Vec<WireTurn>,
) -> Result<Vec<WireInteraction>, ImportError> {
    let room = MAX_BYTES.saturating_sub(size(whole) + ROOM);
    let mut groups: Vec<Vec<WireTurn>> = Vec::new();
    let mut used = 0;
    for turn in turns {
        let bytes = serde_json::to_vec(&turn).map_or(usize::MAX, |body| body.len().saturating_add(1));
        if bytes > room {
            return Err(ImportError::LongTurn { bytes, limit: room });
        }
        match groups.last_mut() {
            Some(group) if group.len() < MAX_TURNS && used + bytes <= room => {
                used += bytes;
                group.push(turn);
            }
            _ => {
                used = bytes;
                groups.push(vec![turn]);
            }
        }
    }
    let several = groups.len() > 1;
    let made = groups.into_iter().enumerate().map(|(at, turns)| {
        let mut part = whole.clone();
        if several {
            part.message_id = format!("{}.{}", whole.message_id, at + 1);
            let start =
                turns.first().and_then(|turn| turn.start_ms).and_then(|start| i64::try_from(start).ok());
            part.sent_at = whole.sent_at.map(|begun| {
                let later = start.and_then(TimeDelta::try_milliseconds);
                later.and_then(|later| begun.checked_add_signed(later)).unwrap_or(begun)
            });
        }
        part.turns = Some(turns);
        part
    });
    Ok(made.collect())
}
