//! An engine some of whose heads are answered by checkpoints.

use super::engine::{TorchOptions, set_threads};
use super::replacement::Replacement;
use crate::nlp::checkpoint::{Checkpoint, CheckpointError, Head};
use crate::nlp::engine::{Engine, EngineError, Target, Window, WindowOutput};

/// Asks another engine first, then puts the checkpoints' answers in the place of the heads they replace. Their
/// tokenizers differ from the pack's, so they read the windows' text.
pub struct ReplacingEngine {
    inner: Box<dyn Engine>,
    replacements: Vec<Replacement>,
}

impl ReplacingEngine {
    /// Loads every checkpoint.
    pub fn load(
        inner: Box<dyn Engine>,
        checkpoints: &[Checkpoint],
        options: TorchOptions,
    ) -> Result<Self, Box<CheckpointError>> {
        set_threads(options.threads);
        let replacements = checkpoints
            .iter()
            .map(|checkpoint| {
                Replacement::load(checkpoint, options.batch_tokens)
                    .map_err(|fault| CheckpointError { head: checkpoint.head, fault })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { inner, replacements })
    }
}

impl Engine for ReplacingEngine {
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
        let mut answers = self.inner.infer(windows);
        for replacement in &self.replacements {
            // A window that has failed already is not read again.
            let (mut places, mut texts) = (Vec::new(), Vec::new());
            for (place, (window, answer)) in windows.iter().zip(&answers).enumerate() {
                if answer.is_ok() {
                    places.push(place);
                    texts.push(&*window.text);
                }
            }
            for (place, logits) in places.into_iter().zip(replacement.logits(&texts)) {
                let Some(answer) = answers.get_mut(place) else { continue };
                match logits {
                    Ok(logits) => {
                        if let Ok(output) = answer {
                            *head(output, replacement.head()) = logits;
                        }
                    }
                    Err(error) => *answer = Err(error),
                }
            }
        }
        answers
    }

    /// Labels of a replaced head weigh nothing, so that they go unexplained: what the pack's own head would say is not
    /// what was decided by.
    fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
        let replaced: Vec<bool> = targets
            .iter()
            .map(|target| self.replacements.iter().any(|one| one.head().kind() == target.kind))
            .collect();
        let pairs = targets.iter().zip(&replaced);
        let own: Vec<Target> = pairs.filter(|(_, replaced)| !**replaced).map(|(target, _)| *target).collect();
        let explained = if own.is_empty() { Vec::new() } else { self.inner.explain(window, &own)? };
        let mut explained = explained.into_iter();
        let silence = || vec![0.0; window.ids.len()];
        let weights = replaced.into_iter().map(|replaced| if replaced { None } else { explained.next() });
        Ok(weights.map(|weights| weights.unwrap_or_else(silence)).collect())
    }
}

fn head(output: &mut WindowOutput, head: Head) -> &mut Vec<f32> {
    match head {
        Head::Sentiment => &mut output.sentiment,
        Head::Intents => &mut output.intents,
        Head::Stage => &mut output.stage,
        Head::Emotions => &mut output.emotions,
        Head::Signals => &mut output.signals,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::replacement::tests::random;
    use super::*;
    use crate::nlp::labels::LabelKind;

    /// Answers 1 for every head, but for windows of two ids; explains a label with its number.
    struct Inner;

    impl Engine for Inner {
        fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
            let answer = |window: &Window| match window.ids.len() {
                2 => Err(EngineError::Stopped),
                _ => Ok(WindowOutput { sentiment: vec![1.0], stage: vec![1.0], ..WindowOutput::default() }),
            };
            windows.iter().map(answer).collect()
        }

        fn explain(&mut self, window: &Window, targets: &[Target]) -> Result<Vec<Vec<f32>>, EngineError> {
            let own = |target: &Target| {
                assert_ne!(target.kind, LabelKind::Sentiment);
                vec![f32::from(u8::try_from(target.label).unwrap()); window.ids.len()]
            };
            Ok(targets.iter().map(own).collect())
        }
    }

    fn engine() -> ReplacingEngine {
        let (_dir, checkpoint) = random("bert");
        ReplacingEngine::load(Box::new(Inner), &[checkpoint], TorchOptions::default()).unwrap()
    }

    fn window(ids: usize, text: &str) -> Window {
        Window { ids: vec![1; ids], text: Arc::from(text) }
    }

    #[test]
    fn only_the_replaced_head_changes_and_failed_windows_stay_failed() {
        let mut engine = engine();
        let answers = engine.infer(&[window(3, "a b"), window(2, "c"), window(3, "d e")]);
        assert_eq!(answers[1], Err(EngineError::Stopped));
        let (first, last) = (answers[0].as_ref().unwrap(), answers[2].as_ref().unwrap());
        assert_eq!((first.sentiment.len(), &*first.stage, &*last.stage), (3, &[1.0][..], &[1.0][..]));
        assert_ne!(first.sentiment, last.sentiment, "each window has the answer to its own text");
        let alone = engine.infer(&[window(3, "d e")]).remove(0).unwrap();
        for (alone, company) in alone.sentiment.iter().zip(&last.sentiment) {
            assert!((alone - company).abs() < 1e-4);
        }
    }

    #[test]
    fn labels_of_a_replaced_head_are_not_explained_by_the_packs() {
        let target = |kind, label| Target { kind, label };
        let targets = [
            target(LabelKind::Sentiment, 2),
            target(LabelKind::Stage, 3),
            target(LabelKind::Sentiment, 0),
            target(LabelKind::Intent, 4),
        ];
        let mut engine = engine();
        let weights = engine.explain(&window(2, "a"), &targets).unwrap();
        assert_eq!(weights, [[0.0; 2], [3.0; 2], [0.0; 2], [4.0; 2]]);
        assert_eq!(engine.explain(&window(2, "a"), &targets[..1]).unwrap(), [[0.0; 2]]);
    }
}
