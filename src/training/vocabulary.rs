//! Adds word pieces of a further language to a WordPiece tokenizer, so that its words need fewer tokens.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::{AddedToken, Tokenizer};

use super::recipe::Vocabulary;
use super::{TrainError, file};

/// A longer vocabulary.
pub struct Extended {
    /// The new `tokenizer.json`: the old ids kept, the new pieces behind them, no truncation or padding.
    pub tokenizer: Value,
    /// For each new piece in id order, the old ids whose mean is its first vector.
    pub made_of: Vec<Vec<i64>>,
}

/// Learns pieces from `texts` with the normalisation of the tokenizer at `path` and adds those it lacks.
pub fn extend(path: &Path, texts: &[String], settings: &Vocabulary) -> Result<Extended, TrainError> {
    let json = file(path, std::fs::read_to_string(path))?;
    let mut value: Value = serde_json::from_str(&json).map_err(|error| TrainError::content(path, error))?;
    let old: HashMap<String, i64> = serde_json::from_value(value["model"]["vocab"].clone())
        .map_err(|error| TrainError::content(path, format!("no WordPiece vocabulary: {error}")))?;
    let pieces = learn(path, texts, settings)?;
    let mut made_of = Vec::new();
    let vocabulary = value["model"]["vocab"]
        .as_object_mut()
        .ok_or_else(|| TrainError::content(path, "no WordPiece vocabulary"))?;
    let first = old.values().max().map_or(0, |last| last + 1);
    for piece in pieces {
        if made_of.len() >= settings.added {
            break;
        }
        if old.contains_key(&piece) {
            continue;
        }
        // A piece that the old vocabulary cannot spell has no vector to start from.
        if let Some(ids) = spell(&old, &piece) {
            vocabulary.insert(piece, Value::from(first + made_of.len() as i64));
            made_of.push(ids);
        }
    }
    value["truncation"] = Value::Null;
    value["padding"] = Value::Null;
    Ok(Extended { tokenizer: value, made_of })
}

fn learn(path: &Path, texts: &[String], settings: &Vocabulary) -> Result<Vec<String>, TrainError> {
    let failed = |error: tokenizers::Error| TrainError::Tokenizer(error.to_string());
    let base = Tokenizer::from_file(path).map_err(failed)?;
    let mut learner = Tokenizer::new(WordPiece::default());
    learner.with_normalizer(base.get_normalizer().cloned());
    learner.with_pre_tokenizer(base.get_pre_tokenizer().cloned());
    let trainer = WordPieceTrainer::builder()
        .vocab_size(settings.learned)
        .min_frequency(settings.min_frequency)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from("[UNK]", true)])
        .build();
    let mut trainer = TrainerWrapper::from(trainer);
    learner.train(&mut trainer, texts.iter()).map_err(failed)?;
    let mut pieces: Vec<(String, u32)> = learner.get_vocab(false).into_iter().collect();
    pieces.sort_by_key(|(_, id)| *id);
    Ok(pieces.into_iter().map(|(piece, _)| piece).collect())
}

/// The old ids that spell a piece, longest match first; none when a character is unknown.
fn spell(vocabulary: &HashMap<String, i64>, piece: &str) -> Option<Vec<i64>> {
    let (mut rest, mut inside) = match piece.strip_prefix("##") {
        Some(rest) => (rest, true),
        None => (piece, false),
    };
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).collect::<Vec<_>>();
        let (end, id) = ends.into_iter().rev().find_map(|end| {
            let part = if inside { format!("##{}", &rest[..end]) } else { rest[..end].to_owned() };
            vocabulary.get(&part).map(|id| (end, *id))
        })?;
        ids.push(id);
        rest = &rest[end..];
        inside = true;
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_pieces_are_spelled_with_old_ones() {
        let old = [("pac", 0), ("##co", 1), ("##c", 2), ("##o", 3), ("p", 4), ("##ac", 5)];
        let old = old.into_iter().map(|(piece, id)| (piece.to_owned(), id)).collect();
        assert_eq!(spell(&old, "pacco"), Some(vec![0, 1]));
        assert_eq!(spell(&old, "##acc"), Some(vec![5, 2]));
        assert_eq!(spell(&old, "pè"), None);
    }

    #[test]
    fn an_extended_tokenizer_reads_its_new_words_whole_and_the_old_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let letters: Vec<String> = ('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]).collect();
        let mut vocab: HashMap<String, u32> = letters.into_iter().zip(1..).collect();
        vocab.insert("[UNK]".to_owned(), 0);
        let size = vocab.len();
        let model = WordPiece::builder().vocab(vocab).unk_token("[UNK]".to_owned()).build().unwrap();
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(tokenizers::normalizers::BertNormalizer::default()));
        tokenizer.with_pre_tokenizer(Some(tokenizers::pre_tokenizers::bert::BertPreTokenizer));
        tokenizer.save(&path, false).unwrap();

        let texts = vec!["Il pacco è in ritardo".to_owned(); 10];
        let settings = Vocabulary { learned: 200, added: 100, min_frequency: 2 };
        let extended = extend(&path, &texts, &settings).unwrap();
        let longer: Tokenizer = extended.tokenizer.to_string().parse().unwrap();
        assert_eq!(longer.get_vocab_size(true), size + extended.made_of.len());
        let tokens = longer.encode("pacco xy", false).unwrap().get_tokens().to_vec();
        assert_eq!(tokens, ["pacco", "x", "##y"]);
        let id = longer.token_to_id("pacco").unwrap() as usize;
        let spelled: Vec<i64> = ["p", "##a", "##c", "##c", "##o"]
            .map(|piece| i64::from(tokenizer.token_to_id(piece).unwrap()))
            .to_vec();
        assert_eq!(extended.made_of[id - size], spelled);
    }
}
