//! Which of the enabled languages a text is written in. Deterministic: the same text and hint give the same answer.

use lingua::{IsoCode639_1, LanguageDetector, LanguageDetectorBuilder};

use super::understanding::Language;

/// Characters that are looked at; the language of a long text shows long before.
const LOOKED_AT: usize = 2000;
/// With fewer letters the text itself says little, and hint or default decide unless it is clear.
const SHORT: usize = 16;
/// From this confidence a short text is taken at its word.
const CLEAR: f64 = 0.9;

/// The enabled languages and the models that tell them apart.
pub struct LanguageGuesser {
    detector: Option<LanguageDetector>,
    enabled: Vec<String>,
    default: String,
}

/// A language that smista cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("language {0:?} is not supported; supported are en, it, fr, de, es and pt")]
pub struct UnknownLanguage(pub String);

impl std::fmt::Debug for LanguageGuesser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LanguageGuesser").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl LanguageGuesser {
    /// For the enabled languages (ISO 639-1), with the one to assume when nothing tells.
    pub fn new(enabled: &[String], default: &str) -> Result<Self, UnknownLanguage> {
        let mut languages = Vec::new();
        for code in enabled {
            let language = from_code(code).ok_or_else(|| UnknownLanguage(code.clone()))?;
            if !languages.contains(&language) {
                languages.push(language);
            }
        }
        let detector =
            (languages.len() > 1).then(|| LanguageDetectorBuilder::from_languages(&languages).build());
        let enabled = languages.into_iter().map(code_of).collect();
        Ok(Self { detector, enabled, default: default.to_lowercase() })
    }

    /// The enabled languages, ISO 639-1.
    pub fn enabled(&self) -> &[String] {
        &self.enabled
    }

    /// The language of `text`. A short text that is not clear by itself is in the hinted language, if that is enabled,
    /// else in the default one. Without a letter and without a hint it is `und`.
    pub fn guess(&self, text: &str, hint: Option<&str>) -> Language {
        let hint = hint.and_then(|hint| self.known_hint(hint));
        let head: String = text.chars().take(LOOKED_AT).collect();
        let letters = head.chars().filter(|c| c.is_alphabetic()).count();
        if letters == 0 {
            return match hint {
                Some(code) => Language { code, confidence: 0.5 },
                None => Language { code: "und".into(), confidence: 0.0 },
            };
        }
        let Some(detector) = &self.detector else {
            let code = self.enabled.first().unwrap_or(&self.default).clone();
            return Language { code, confidence: 1.0 };
        };
        let values = detector.compute_language_confidence_values(head.as_str());
        let Some((best, confidence)) = values.first().copied() else {
            return Language { code: hint.unwrap_or_else(|| self.default.clone()), confidence: 0.0 };
        };
        if letters < SHORT && confidence < CLEAR {
            let code = hint.unwrap_or_else(|| self.default.clone());
            let own = values.iter().find(|(language, _)| code_of(*language) == code);
            return Language { confidence: rounded(own.map_or(0.0, |(_, confidence)| *confidence)), code };
        }
        Language { code: code_of(best), confidence: rounded(confidence) }
    }

    fn known_hint(&self, hint: &str) -> Option<String> {
        let code = hint.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        self.enabled.contains(&code).then_some(code)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a confidence of three decimals")]
fn rounded(confidence: f64) -> f32 {
    ((confidence * 1000.0).round() / 1000.0) as f32
}

fn code_of(language: lingua::Language) -> String {
    language.iso_code_639_1().to_string()
}

fn from_code(code: &str) -> Option<lingua::Language> {
    let code: IsoCode639_1 = code.to_lowercase().parse().ok()?;
    Some(lingua::Language::from_iso_code_639_1(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guesser() -> LanguageGuesser {
        LanguageGuesser::new(&["en".into(), "it".into()], "en").unwrap()
    }

    #[test]
    fn languages_are_told_apart() {
        let guesser = guesser();
        for (text, hint, code) in [
            ("I'd like to know where my parcel is", None, "en"),
            ("Vorrei sapere dove si trova il mio pacco", None, "it"),
            ("nn funziona più la connessione da ieri", None, "it"),
            ("the invoice is wrong again", Some("it"), "en"),
            ("ok", Some("it-IT"), "it"),
            ("ok", None, "en"),
            ("ok", Some("de"), "en"),
            ("😡😡", None, "und"),
            ("12345", Some("it"), "it"),
            ("", None, "und"),
        ] {
            let found = guesser.guess(text, hint);
            assert_eq!(found.code, code, "{text:?} with {hint:?}: {found:?}");
            assert_eq!(found, guesser.guess(text, hint));
        }
    }

    #[test]
    fn one_enabled_language_needs_no_detector() {
        let guesser = LanguageGuesser::new(&["it".into()], "it").unwrap();
        assert_eq!(guesser.guess("hello there", None).code, "it");
    }

    #[test]
    fn unknown_languages_are_refused_by_name() {
        let error = LanguageGuesser::new(&["xx".into()], "en").unwrap_err();
        assert_eq!(error, UnknownLanguage("xx".into()));
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,80}") {
            let found = guesser().guess(&text, None);
            prop_assert!(["en", "it", "und"].contains(&found.code.as_str()));
            prop_assert!((0.0..=1.0).contains(&found.confidence));
        }
    }
}
