//! Explanations on the committed pack: the words that gradient × input names are those whose absence hurts the label
//! most, and depend on nothing but the window and the label.

use std::sync::Arc;

use smista::nlp::engine::{Engine, EngineError, Target, Window, WindowOutput};
use smista::nlp::explain::{Word, words};
use smista::nlp::labels::LabelKind;
use smista::nlp::torch::Precision;

use crate::support::core::{Core, core};

/// Plain texts with a label each.
const CASES: [(&str, LabelKind, &str); 12] = [
    ("I was charged twice for the same order this month", LabelKind::Intent, "billing.dispute"),
    ("Where is my order, it was due on Monday", LabelKind::Intent, "order.status"),
    ("I would like to cancel my subscription from next week", LabelKind::Intent, "subscription.cancel"),
    ("The new router works but your support was terrible", LabelKind::Sentiment, "negative"),
    ("Thank you, the technician was brilliant and very kind", LabelKind::Sentiment, "positive"),
    ("Please let me speak to a manager about this parcel", LabelKind::Signal, "agent_request"),
    ("Mi avete addebitato due volte la stessa fattura", LabelKind::Intent, "billing.dispute"),
    ("Ho dimenticato la password e non riesco ad accedere", LabelKind::Intent, "account.access"),
    ("Vorrei il rimborso delle scarpe che vi ho mandato indietro", LabelKind::Intent, "refund.request"),
    ("Il servizio di questa settimana è stato pessimo", LabelKind::Sentiment, "negative"),
    ("Complimenti, il tecnico di ieri è stato gentilissimo", LabelKind::Sentiment, "positive"),
    ("Vorrei parlare con un operatore del mio contratto", LabelKind::Signal, "agent_request"),
];

fn asked(core: &Core, kind: LabelKind, name: &str) -> Target {
    let heads = &core.pack.manifest.heads;
    let labels = match kind {
        LabelKind::Sentiment => &heads.sentiment.labels,
        LabelKind::Intent => &heads.intents.labels,
        LabelKind::Stage => &heads.stage.labels,
        LabelKind::Emotion => &heads.emotions.labels,
        LabelKind::Signal => &heads.signals.labels,
    };
    Target { kind, label: labels.iter().position(|label| label == name).unwrap() }
}

fn logit(core: &mut Core, text: &str, target: Target) -> f32 {
    let WindowOutput { sentiment, intents, stage, emotions, signals, .. } = core.output(text);
    let head = match target.kind {
        LabelKind::Sentiment => sentiment,
        LabelKind::Intent => intents,
        LabelKind::Stage => stage,
        LabelKind::Emotion => emotions,
        LabelKind::Signal => signals,
    };
    head[target.label]
}

fn weighed(core: &mut Core, text: &str, target: Target) -> Vec<Word> {
    let placed = core.tokens.placed(text, 1).unwrap();
    let weights = core.engine.explain(&placed[0].window, &[target]).unwrap();
    words(text, &placed, &weights)
}

fn cut(text: &str, [start, end]: [usize; 2]) -> String {
    text.chars().take(start).chain(text.chars().skip(end)).collect()
}

fn piece(text: &str, [start, end]: [usize; 2]) -> String {
    text.chars().skip(start).take(end - start).collect()
}

/// The word whose removal lowers the label's logit most is among the three that the explanation puts first.
#[test]
fn the_words_named_are_those_that_are_missed_most() {
    let mut core = core(Precision::F32);
    let mut agreed = 0;
    let mut report = Vec::new();
    for (text, kind, name) in CASES {
        let target = asked(&core, kind, name);
        let mut weighed = weighed(&mut core, text, target);
        let whole = logit(&mut core, text, target);
        let drop = |core: &mut Core, word: &Word| whole - logit(core, &cut(text, word.span), target);
        let missed = weighed.clone().into_iter().map(|word| (drop(&mut core, &word), word));
        let missed = missed.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        weighed.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let rank = weighed.iter().position(|word| word.span == missed.1.span).unwrap();
        agreed += usize::from(rank < 3);
        let first: Vec<String> =
            weighed.iter().take(3).map(|w| format!("{} {:.2}", piece(text, w.span), w.weight)).collect();
        let missed = format!("{} (−{:.2})", piece(text, missed.1.span), missed.0);
        report.push(format!("{kind} {name}: missed most {missed}, rank {rank}; {}", first.join(", ")));
    }
    println!("{}", report.join("\n"));
    assert!(agreed >= 10, "{agreed} of {}:\n{}", CASES.len(), report.join("\n"));
}

#[test]
fn precision_and_reference_name_the_same_words() {
    let (mut fused, mut reference) = (core(Precision::F32), core(Precision::Reference));
    for (text, kind, name) in CASES {
        let target = asked(&fused, kind, name);
        let (a, b) = (weighed(&mut fused, text, target), weighed(&mut reference, text, target));
        let top = a.iter().map(|word| word.weight.abs()).fold(0.0, f32::max);
        for (a, b) in a.iter().zip(&b) {
            assert!((a.weight - b.weight).abs() < 0.01 * top, "{text}: {a:?} {b:?}");
        }
    }
}

#[test]
fn an_explanation_depends_on_its_window_and_target_alone() {
    let mut core = core(Precision::F32);
    for (text, kind, name) in CASES {
        let target = asked(&core, kind, name);
        let window = core.tokens.windows(text).unwrap().remove(0);
        let alone = core.engine.explain(&window, &[target]).unwrap();
        let others = [target, asked(&core, LabelKind::Stage, "support"), target];
        let among = core.engine.explain(&window, &others).unwrap();
        assert_eq!(alone[0].len(), window.ids.len());
        assert_eq!((alone[0][0], alone[0].last().copied()), (0.0, Some(0.0)), "special tokens say nothing");
        assert_eq!((&among[0], &among[2]), (&alone[0], &alone[0]), "{text}");
        assert_ne!(among[1], alone[0]);
    }
}

#[test]
fn bad_windows_and_labels_are_errors_of_their_own() {
    let mut core = core(Precision::F32);
    let target = asked(&core, LabelKind::Sentiment, "negative");
    let window = |ids: Vec<u32>| Window { ids, text: Arc::from("") };
    assert!(matches!(
        core.engine.explain(&window(Vec::new()), &[target]),
        Err(EngineError::WindowLength { .. })
    ));
    assert!(matches!(
        core.engine.explain(&window(vec![u32::MAX]), &[target]),
        Err(EngineError::UnknownToken { .. })
    ));
    let missing = Target { kind: LabelKind::Emotion, label: 99 };
    assert_eq!(
        core.engine.explain(&window(vec![101, 102]), &[missing]),
        Err(EngineError::UnknownLabel { kind: LabelKind::Emotion, label: 99 })
    );
    assert_eq!(core.engine.explain(&window(vec![101, 102]), &[]), Ok(Vec::new()));
}

#[test]
fn long_texts_are_placed_where_their_tokens_stand() {
    let core = core(Precision::F32);
    let sentence = "Il pacco è arrivato rotto 😡 e l'operatore — «gentile», però! — non richiama. ";
    for text in [sentence.repeat(20), sentence.replace(['.', '!'], "").repeat(20)] {
        let windows = core.tokens.windows(&text).unwrap();
        let placed = core.tokens.placed(&text, usize::MAX).unwrap();
        assert!(windows.len() > 2);
        assert_eq!(
            placed.iter().map(|placed| &placed.window).collect::<Vec<_>>(),
            windows.iter().collect::<Vec<_>>()
        );
        let length = text.chars().count();
        for placed in &placed {
            assert_eq!(placed.spans.len(), placed.window.ids.len());
            let mut before = 0;
            for [start, end] in placed.spans.iter().flatten() {
                assert!(before <= *start && start < end && *end <= length);
                before = *start;
            }
            let (first, last) = (placed.spans[1].unwrap(), placed.spans[placed.spans.len() - 2].unwrap());
            assert_eq!(piece(&text, [first[0], last[1]]), &*placed.window.text);
        }
        assert_eq!(core.tokens.placed(&text, 2).unwrap().len(), 2);
    }
}
