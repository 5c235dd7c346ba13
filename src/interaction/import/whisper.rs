//! What Whisper's programs write: openai-whisper and its interface (`segments`), faster-whisper's and whisperX's dumps (the
//! same, or the list alone, with `speaker` where told apart), whisper.cpp (`transcription`).

use serde_json::Value;

use super::ImportError;
use super::json::string;
use super::transcript::{About, Cue};

/// Seconds beyond which a time is none: three years.
const LONGEST: f64 = 1e8;

/// Names that interfaces give instead of codes.
const LANGUAGES: [(&str, &str); 12] = [
    ("english", "en"),
    ("italian", "it"),
    ("french", "fr"),
    ("german", "de"),
    ("spanish", "es"),
    ("portuguese", "pt"),
    ("dutch", "nl"),
    ("polish", "pl"),
    ("romanian", "ro"),
    ("greek", "el"),
    ("swedish", "sv"),
    ("danish", "da"),
];

/// The segments, and what is said of all of them.
pub(super) fn cues(value: &Value) -> Result<(Vec<Cue>, About), ImportError> {
    let segments = [Some(value), value.get("segments"), value.get("transcription")];
    let about = About { language: language(value) };
    let Some(segments) = segments.into_iter().flatten().find_map(Value::as_array) else {
        // The plainest answer of the interface is the text alone.
        let text = string(value, &["text"]).ok_or(ImportError::NotThisFormat {
            format: "a transcript of Whisper",
            missing: "it has neither `segments` nor `transcription`",
        })?;
        return Ok((vec![Cue { text, ..Cue::default() }], about));
    };
    let cues = segments.iter().enumerate().map(|(at, segment)| {
        let text = segment.get("text").and_then(Value::as_str).ok_or(ImportError::BadItem {
            item: "segment",
            number: at + 1,
            problem: "has no `text`; give the file as Whisper wrote it",
        })?;
        let speaker = string(segment, &["speaker"]).filter(|name| name != "?");
        Ok(Cue {
            start_ms: seconds(segment, "start").or_else(|| offset(segment, "from")),
            end_ms: seconds(segment, "end").or_else(|| offset(segment, "to")),
            // whisper.cpp numbers the channels of a stereo recording.
            speaker: speaker
                .map(|name| if name.parse::<u8>().is_ok() { format!("Speaker {name}") } else { name }),
            text: text.trim().to_owned(),
            confidence: confidence(segment),
        })
    });
    Ok((cues.collect::<Result<_, ImportError>>()?, about))
}

fn seconds(segment: &Value, name: &str) -> Option<u64> {
    let seconds = segment.get(name)?.as_f64().filter(|seconds| (0.0..LONGEST).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range by the line above")]
    Some((seconds * 1000.0).round() as u64)
}

fn offset(segment: &Value, name: &str) -> Option<u64> {
    segment.get("offsets")?.get(name)?.as_u64()
}

/// The mean log probability of a segment's tokens, as a probability.
fn confidence(segment: &Value) -> Option<f32> {
    let probability = segment.get("avg_logprob")?.as_f64()?.exp();
    #[expect(clippy::cast_possible_truncation, reason = "a confidence needs no more than single precision")]
    (0.0..=1.0).contains(&probability).then_some(probability as f32)
}

fn language(value: &Value) -> Option<String> {
    let told = [&["language"][..], &["result", "language"], &["info", "language"]];
    let told = told.iter().find_map(|path| string(value, path))?.to_lowercase();
    let code = (2..=3).contains(&told.len()) && told.bytes().all(|byte| byte.is_ascii_alphabetic());
    let named = LANGUAGES.iter().find(|(name, _)| *name == told).map(|(_, code)| (*code).to_owned());
    named.or_else(|| code.then_some(told))
}
