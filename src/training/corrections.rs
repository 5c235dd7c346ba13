//! Supervisors' corrections as training rows. Every fifth message, by the hash of its id, is held back to judge by.

use sha2::{Digest, Sha256};

use super::target::{self, Row, StageTarget, Target};
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::store::Corrected;

const HELD_BACK_PERCENT: u16 = 20;

/// Corrections to train on and to judge by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Corrections {
    /// To train on.
    pub train: Vec<Row>,
    /// To judge by, never trained on.
    pub held_back: Vec<Row>,
    /// Messages left out, with why: nothing written by the customer, nothing corrected, a label that the pack lacks.
    pub left_out: Vec<(String, String)>,
}

/// Turns what the store keeps into rows.
pub fn split(corrected: &[Corrected]) -> Corrections {
    let mut result = Corrections::default();
    for one in corrected {
        let message = &one.correction.message_id;
        match row(one) {
            Ok(row) if held_back(message) => result.held_back.push(row),
            Ok(row) => result.train.push(row),
            Err(reason) => result.left_out.push((message.clone(), reason)),
        }
    }
    result
}

fn row(one: &Corrected) -> Result<Row, String> {
    let text = one.interaction.document();
    if text.trim().is_empty() {
        return Err("the customer wrote nothing".to_owned());
    }
    let correction = &one.correction;
    let intents = match correction.intents.as_deref() {
        None => None,
        Some([]) => Some(Vec::new()),
        Some(names) => Some(target::intents(&names.join(","))?),
    };
    let place = |label: SentimentLabel| SentimentLabel::ALL.iter().position(|one| *one == label);
    let stage = correction.stage.and_then(|stage| Stage::ALL.iter().position(|one| *one == stage));
    let target = Target {
        sentiment: correction.sentiment.and_then(place),
        intents,
        stage: stage.map_or(StageTarget::Unknown, StageTarget::At),
        ..Target::default()
    };
    if target == Target::default() {
        return Err("neither sentiment nor intents nor stage were corrected".to_owned());
    }
    Ok(Row { text, target, weight: 1.0 })
}

fn held_back(message_id: &str) -> bool {
    let hash = Sha256::digest(message_id.as_bytes());
    u16::from_be_bytes([hash[0], hash[1]]) % 100 < HELD_BACK_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Channel, sample};
    use crate::store::Correction;

    fn corrected(id: usize, change: impl FnOnce(&mut Correction)) -> Corrected {
        let mut correction = Correction {
            correction_id: uuid::Uuid::nil(),
            message_id: format!("m{id}"),
            corrected_at: chrono::DateTime::UNIX_EPOCH,
            corrected_by: "ada".to_owned(),
            sentiment: None,
            intents: None,
            stage: None,
            priority: None,
            queue: None,
            note: None,
        };
        change(&mut correction);
        Corrected { correction, interaction: sample(Channel::Chat, "Where is the blue one?").unwrap() }
    }

    #[test]
    fn a_correction_knows_only_what_was_corrected() {
        let one = corrected(0, |correction| correction.intents = Some(vec!["order.status".to_owned()]));
        let row = row(&one).unwrap();
        assert_eq!(row.text, "Where is the blue one?");
        assert_eq!(row.target, Target::parse("intent=order.status").unwrap());
    }

    #[test]
    fn a_fifth_is_held_back_and_always_the_same() {
        let all: Vec<Corrected> =
            (0..500).map(|id| corrected(id, |correction| correction.stage = Some(Stage::Support))).collect();
        let corrections = split(&all);
        assert!((60..140).contains(&corrections.held_back.len()), "{}", corrections.held_back.len());
        assert_eq!(corrections.train.len() + corrections.held_back.len(), 500);
        assert_eq!(corrections, split(&all));
    }

    #[test]
    fn what_cannot_be_learned_from_is_named() {
        let all = [
            corrected(1, |_| ()),
            corrected(2, |correction| correction.intents = Some(vec!["pizza.order".to_owned()])),
        ];
        let left = split(&all).left_out;
        assert_eq!(
            left[0],
            ("m1".to_owned(), "neither sentiment nor intents nor stage were corrected".to_owned())
        );
        assert!(left[1].1.contains("pizza.order"), "{left:?}");
    }
}
