//! The engine on the committed pack: answers do not depend on company, bad windows fail alone, plain cases come out
//! right in English and Italian.

use std::path::Path;
use std::sync::Arc;

use smista::nlp::decode::{Decoded, decode};
use smista::nlp::engine::{Engine, EngineError, Window, WindowOutput};
use smista::nlp::pack::Pack;
use smista::nlp::torch::Precision;

use crate::support::core::{Core, core};

fn decoded(core: &mut Core, text: &str) -> Decoded {
    let output = core.output(text);
    decode(&core.pack.manifest.heads, &output)
}

const TEXTS: [&str; 6] = [
    "hi",
    "I was charged twice for the same order.",
    "Il pacco non è ancora arrivato, è in ritardo di una settimana.",
    "How do I set up the router I just bought? The light on the front blinks and the app finds nothing.",
    "Voglio parlare con un operatore",
    "Grazie mille, siete stati gentilissimi: avete risolto tutto in mezz'ora e senza che dovessi richiamare.",
];

fn distance(a: &WindowOutput, b: &WindowOutput) -> f32 {
    let all = |output: &WindowOutput| {
        let heads = [&output.sentiment, &output.intents, &output.stage, &output.emotions, &output.signals];
        heads.into_iter().chain([&output.embedding]).flatten().copied().collect::<Vec<f32>>()
    };
    let (a, b) = (all(a), all(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn company_in_a_batch_changes_nothing() {
    for precision in [Precision::Reference, Precision::F32] {
        let mut core = core(precision);
        let windows: Vec<Window> = TEXTS.iter().map(|text| core.window(text)).collect();
        let together = core.engine.infer(&windows);
        for (window, together) in windows.iter().zip(together) {
            let alone = core.engine.infer(std::slice::from_ref(window)).remove(0).unwrap();
            assert!(distance(&alone, &together.unwrap()) < 1e-3, "{precision:?}: {}", window.text);
        }
    }
}

#[test]
fn other_precisions_stay_near_the_reference() {
    let (mut reference, mut single, mut half) =
        (core(Precision::Reference), core(Precision::F32), core(Precision::Bf16));
    let heads = reference.pack.manifest.heads.clone();
    for text in TEXTS {
        let window = [reference.window(text)];
        let expected = reference.engine.infer(&window).remove(0).unwrap();
        assert!(distance(&expected, &single.engine.infer(&window).remove(0).unwrap()) < 1e-3, "{text}");
        let near = decode(&heads, &half.engine.infer(&window).remove(0).unwrap());
        let expected = decode(&heads, &expected);
        for (a, b) in expected.intent_probabilities.iter().zip(&near.intent_probabilities) {
            assert!((a - b).abs() < 0.05, "{text}: {a} and {b}");
        }
    }
}

#[test]
fn bad_windows_fail_alone_and_by_name() {
    let mut core = core(Precision::Reference);
    let good = core.window("hello");
    let window = |ids: Vec<u32>| Window { ids, text: Arc::from("") };
    let answers = core.engine.infer(&[
        window(vec![]),
        good.clone(),
        window(vec![1; 600]),
        window(vec![101, 4_000_000, 102]),
        good,
    ]);
    assert!(matches!(answers[0], Err(EngineError::WindowLength { len: 0, max: 512 })));
    assert!(matches!(answers[2], Err(EngineError::WindowLength { len: 600, max: 512 })));
    assert!(matches!(answers[3], Err(EngineError::UnknownToken { id: 4_000_000, .. })));
    assert_eq!(answers[1].as_ref().unwrap(), answers[4].as_ref().unwrap());
    assert!(core.engine.infer(&[]).is_empty());
}

#[test]
fn embeddings_have_length_one_and_translations_lie_near() {
    let mut core = core(Precision::Reference);
    let vectors: Vec<Vec<f32>> = ["I want my money back", "Rivoglio i miei soldi", "Do you sell blue lamps?"]
        .iter()
        .map(|text| core.engine.infer(&[core.window(text)]).remove(0).unwrap().embedding)
        .collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!((dot(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-4);
    assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]));
}

#[test]
fn plain_cases_come_out_right() {
    let mut core = core(Precision::Reference);
    for (text, intent, sentiment, stage) in [
        ("I was charged twice", Some("billing.dispute"), "negative", Some("support")),
        (
            "Il pacco non è ancora arrivato, è in ritardo di una settimana",
            Some("delivery.problem"),
            "negative",
            Some("support"),
        ),
        ("Voglio parlare con un operatore", Some("agent.request"), "neutral", None),
        ("Quanto costa il piano annuale?", Some("product.price"), "neutral", Some("consideration")),
        ("Grazie mille, siete stati gentilissimi", None, "positive", None),
        ("How do I set up the router I just bought?", Some("setup.help"), "neutral", Some("onboarding")),
    ] {
        let decoded = decoded(&mut core, text);
        if let Some(intent) = intent {
            assert_eq!(decoded.intents.first().map(|(name, _)| name.as_str()), Some(intent), "{text}");
        }
        assert_eq!(decoded.sentiment_label().0.as_str(), sentiment, "{text}");
        if let Some(stage) = stage {
            assert_eq!(decoded.stage.map(|(stage, _)| stage.as_str()), Some(stage), "{text}");
        }
    }
}

#[test]
fn a_changed_file_is_refused() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/core");
    let copy = tempfile::tempdir().unwrap();
    for name in ["pack.toml", "config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(core.join(name), copy.path().join(name)).unwrap();
    }
    let config = copy.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("384", "768")).unwrap();
    let error = Pack::open(copy.path()).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("SHA-256"), "{error}");
}
