use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::interaction::{Channel, Interaction, sample};
use crate::nlp::engine::Engine;
use crate::nlp::labels::Stage;
use crate::nlp::scripted::ScriptedEngine;
use crate::nlp::service::EngineSettings;
use crate::nlp::understanding::GoalKind;
use crate::nlp::understanding::SignalSource;

fn analyzer_on(build: fn() -> Box<dyn Engine>, model: Model) -> Analyzer {
    let settings = EngineSettings { batch_wait: Duration::from_millis(0), ..EngineSettings::default() };
    let engine = EngineHandle::spawn(move || Ok(build()), settings).unwrap();
    Analyzer::new(model, engine, &["en".into(), "it".into()], "en").unwrap()
}

fn analyzer() -> &'static Analyzer {
    static ANALYZER: LazyLock<Analyzer> =
        LazyLock::new(|| analyzer_on(|| Box::new(ScriptedEngine), Model::scripted()));
    &ANALYZER
}

fn message(text: &str) -> Interaction {
    sample(Channel::Chat, text).unwrap()
}

/// A call of turns: `c:` for the customer, `a:` for the agent.
fn call(turns: &[&str]) -> Interaction {
    let mut value = serde_json::to_value(message("x")).unwrap();
    value["turns"] = turns
        .iter()
        .map(|turn| {
            let (speaker, text) = turn.split_once(": ").unwrap();
            let speaker = if speaker == "c" { "customer" } else { "agent" };
            serde_json::json!({"speaker": speaker, "text": text})
        })
        .collect();
    serde_json::from_value(value).unwrap()
}

async fn understand(text: &str) -> Understanding {
    analyzer().analyze(&message(text)).await.unwrap()
}

#[tokio::test]
async fn messages_are_understood_in_both_languages() {
    for (text, language, intent, sentiment, stage, goal) in [
        (
            "Where is my order?",
            "en",
            "order.status",
            SentimentLabel::Neutral,
            Some(Stage::Support),
            Some(GoalKind::Ask),
        ),
        (
            "Dov'è il mio ordine, per favore?",
            "it",
            "order.status",
            SentimentLabel::Neutral,
            Some(Stage::Support),
            Some(GoalKind::Ask),
        ),
        (
            "Voglio disdire l'abbonamento",
            "it",
            "subscription.cancel",
            SentimentLabel::Neutral,
            Some(Stage::Retention),
            Some(GoalKind::Change),
        ),
        (
            "The parcel arrived damaged, this is terrible",
            "en",
            "delivery.problem",
            SentimentLabel::Negative,
            Some(Stage::Support),
            Some(GoalKind::Solve),
        ),
        (
            "Complimenti, servizio eccellente!",
            "it",
            "praise",
            SentimentLabel::Positive,
            Some(Stage::Advocacy),
            Some(GoalKind::Praise),
        ),
        ("hello", "en", "smalltalk", SentimentLabel::Neutral, None, None),
    ] {
        let found = understand(text).await;
        let stage_found = found.stage.as_ref().map(|stage| stage.name);
        assert_eq!(
            (found.language.code.as_str(), found.intent(), found.sentiment.label, stage_found, found.goal),
            (language, Some(intent), sentiment, stage, goal),
            "{text:?}: {found:#?}"
        );
        assert!(!found.abstained && !found.degraded);
        assert!((1..=3).contains(&found.intents.len()));
    }
}

#[tokio::test]
async fn cues_give_signals_with_their_words() {
    let found = understand("Basta. VOGLIO parlare con un operatore, è la terza volta che chiamo!").await;
    let signal = found.signal(SignalKind::AgentRequest).unwrap();
    assert_eq!(signal.source, SignalSource::Cue);
    assert!(signal.text.as_deref().unwrap().contains("parlare con un operatore"), "{signal:?}");
}

#[tokio::test]
async fn the_mood_is_followed_along_a_conversation() {
    let found = analyzer()
        .analyze(&call(&[
            "a: Good morning, how can I help?",
            "c: The router is broken and your service is terrible and awful",
            "a: Let me restart it from here.",
            "c: ok it is restarting",
            "a: And now?",
            "c: Amazing, it works again, brilliant service, thank you so much",
        ]))
        .await
        .unwrap();
    assert_eq!(found.turns.iter().map(|turn| turn.turn).collect::<Vec<_>>(), [1, 3, 5]);
    assert!(found.turns[0].score < -0.3 && found.turns[2].score > 0.3, "{:?}", found.turns);
    assert!(found.sentiment.shift > 0.6, "{:?}", found.sentiment);
    let single = understand("Your service is terrible and awful, the parcel never arrived and I called four times. Then a colleague of yours looked into it for me with patience. Now it is perfect, brilliant, thank you so much.").await;
    assert!(
        single.sentiment.first_third < 0.0 && single.sentiment.last_third > 0.0,
        "{:?}",
        single.sentiment
    );
    assert_eq!(single.turns.len(), 1);
}

#[tokio::test]
async fn machines_and_agents_feel_and_want_nothing() {
    let mut machine = message("I am away, this is terrible");
    machine.auto_reply = Some("header:auto-submitted".into());
    let found = analyzer().analyze(&machine).await.unwrap();
    assert_eq!((found.intent(), found.stage.is_none(), found.goal), (Some("other"), true, None));
    assert_eq!(found.sentiment.label, SentimentLabel::Neutral);
    let signals: Vec<_> = found.signals.iter().map(|signal| (signal.name, signal.source)).collect();
    assert_eq!(signals, [(SignalKind::AutoReply, SignalSource::Metadata)]);

    let found =
        analyzer().analyze(&call(&["a: I am furious, I want a manager, this is terrible"])).await.unwrap();
    assert_eq!(
        (found.sentiment.label, found.signals.len(), found.intents.len()),
        (SentimentLabel::Neutral, 0, 0)
    );
}

#[tokio::test]
async fn agents_words_do_not_count_for_the_customer() {
    let found = analyzer()
        .analyze(&call(&["a: Is it terrible and broken? Do you want a manager?", "c: Where is my order?"]))
        .await
        .unwrap();
    assert_eq!((found.sentiment.label, found.intent()), (SentimentLabel::Neutral, Some("order.status")));
    assert_eq!(found.questions, ["Where is my order?"]);
}

#[tokio::test]
async fn a_wordless_survey_answer_has_its_scores_mood() {
    for (nps, label) in
        [(10, SentimentLabel::Positive), (7, SentimentLabel::Neutral), (3, SentimentLabel::Negative)]
    {
        let mut survey = message("-");
        survey.channel = Channel::Survey;
        survey.turns[0] =
            serde_json::from_value(serde_json::json!({"speaker": "customer", "text": ""})).unwrap();
        survey.ratings.nps = Some(nps);
        let found = analyzer().analyze(&survey).await.unwrap();
        assert_eq!(found.sentiment.label, label, "{nps}");
    }
}

#[tokio::test]
async fn without_the_engine_cues_remain_and_say_so() {
    let found = analyzer().analyze_cues_only(&message("I want to speak to a manager now"));
    assert!(found.degraded && found.embedding.is_empty());
    assert_eq!(found.intent(), Some("agent.request"));
    assert!(found.signal(SignalKind::AgentRequest).is_some());
    let nothing = analyzer().analyze_cues_only(&message("the colour of the moon"));
    assert!(nothing.degraded && nothing.abstained);
}

/// Fails on a word.
struct Touchy;

impl Engine for Touchy {
    fn infer(&mut self, windows: &[Window]) -> Vec<Result<WindowOutput, EngineError>> {
        windows
            .iter()
            .map(|window| match () {
                () if window.text.contains("poison") => Err(EngineError::UnknownToken { id: 9, size: 1 }),
                () if window.text.contains("tired") => Err(EngineError::Runtime("tired".into())),
                () => Ok(WindowOutput::default()),
            })
            .collect()
    }
}

#[tokio::test]
async fn a_failed_window_fails_its_message_only() {
    let analyzer = analyzer_on(|| Box::new(Touchy), Model::scripted());
    let error = analyzer.analyze(&message("poison")).await.unwrap_err();
    assert!(error.is_permanent());
    let error = analyzer.analyze(&message("tired")).await.unwrap_err();
    assert!(!error.is_permanent());
    let found = analyzer.analyze(&message("an engine that says nothing")).await.unwrap();
    assert!(found.abstained && found.stage.is_none());
}

#[tokio::test]
async fn the_same_message_means_the_same_in_any_company() {
    let texts = ["Where is my order?", "Il pacco è arrivato rotto", "hello", "I forgot my password, again!"];
    let mut alone = Vec::new();
    for text in texts {
        alone.push(understand(text).await);
    }
    let together = futures::future::join_all(texts.iter().map(|text| understand(text))).await;
    assert_eq!(alone, together);
}

#[tokio::test]
async fn a_long_text_is_read_to_its_end_within_bounds() {
    let filler = "la consegna è prevista per oggi e attendo con pazienza. ".repeat(1800);
    let text = format!("{filler} Voglio parlare con un operatore");
    assert!(text.len() > 100_000);
    let started = std::time::Instant::now();
    let found = understand(&text).await;
    assert!(found.signal(SignalKind::AgentRequest).is_some());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn the_version_names_model_and_rules() {
    let version = analyzer().version();
    assert!(version.starts_with("scripted@sha256:") && version.contains("+cues@"), "{version}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_is_analysed_with_valid_spans_and_ranges(text in "\\PC{1,200}") {
        let Ok(interaction) = sample(Channel::Chat, &text) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(analyzer().analyze(&interaction)).unwrap();
        let length = interaction.document().chars().count();
        for signal in &found.signals {
            if let Some([start, end]) = signal.span {
                prop_assert!(start < end && end <= length);
            }
            prop_assert!((0.0..=1.0).contains(&signal.confidence));
        }
        prop_assert!((-1.0..=1.0).contains(&found.sentiment.score));
        prop_assert!((0.0..=1.0).contains(&found.effort));
    }
}

/// An analyzer with two custom intents that answers `own.first` for every text, or for none.
fn with_custom(accepts: bool, mode: IntentsMode) -> Analyzer {
    use crate::nlp::custom::{CustomIntents, FORMAT, Figures, Manifest, Weights};

    let window = Window { ids: vec![1], text: "x".into() };
    let size = ScriptedEngine.infer(&[window]).remove(0).unwrap().embedding.len();
    let manifest = Manifest {
        format: FORMAT,
        pack: "any".to_owned(),
        weights: String::new(),
        labels: vec!["own.first".to_owned(), "own.second".to_owned()],
        temperature: 1.0,
        min_probability: 0.5,
        min_likeness: if accepts { -1.0 } else { 1.1 },
        figures: Figures::default(),
    };
    let weights = Weights {
        weights: vec![0.0; 2 * size],
        bias: vec![2.0, 0.0],
        whiten: vec![0.0; size * size],
        centre: vec![0.0; size],
        directions: vec![0.0; 2 * size],
        homes: vec![0.0; 2 * size],
        words: None,
    };
    let custom = CustomIntents::new(manifest, weights).unwrap();
    analyzer_on(|| Box::new(ScriptedEngine), Model::scripted()).with_custom(custom, mode)
}

#[tokio::test]
async fn custom_intents_stand_beside_those_of_the_model_or_instead_of_them() {
    const WANTED: &str = "Where is my order?";
    const OUT_OF_OFFICE: &str = "I am out of the office until 4 August. This is an automatic reply.";
    let plain = understand(WANTED).await;
    for (accepts, mode, text, expected) in [
        (true, IntentsMode::Beside, WANTED, &["own.first", "order.status"][..]),
        (false, IntentsMode::Beside, WANTED, &["order.status"]),
        (true, IntentsMode::Instead, WANTED, &["own.first"]),
        (false, IntentsMode::Instead, WANTED, &[]),
        (true, IntentsMode::Instead, OUT_OF_OFFICE, &["other"]),
    ] {
        let analyzer = with_custom(accepts, mode);
        let found = analyzer.analyze(&message(text)).await.unwrap();
        let names: Vec<&str> = found.intents.iter().map(|intent| intent.name.as_str()).collect();
        assert_eq!(names, expected, "{accepts} {mode:?} {text}");
        assert_eq!(found.abstained, expected.is_empty(), "{accepts} {mode:?} {text}");
        if text == WANTED {
            // softmax of 2 and 0
            let sure = found.intents.first().filter(|_| accepts).map(|intent| intent.confidence);
            assert!(sure.is_none_or(|sure| (sure - 0.881).abs() < 1e-3), "{sure:?}");
            let rest = |found: &Understanding| {
                let of = found.clone();
                Understanding { intents: Vec::new(), abstained: false, ..of }
            };
            assert_eq!(rest(&found), rest(&plain), "nothing else changes");
        }
        assert!(analyzer.version().contains(&format!("+intents.{}@sha256:", mode.as_str())));
    }
}

#[tokio::test]
async fn without_the_engine_custom_intents_say_nothing() {
    let text = message("please cancel my subscription");
    let names = |analyzer: &Analyzer| -> Vec<String> {
        analyzer.analyze_cues_only(&text).intents.into_iter().map(|intent| intent.name).collect()
    };
    let core = names(analyzer());
    assert_eq!(names(&with_custom(true, IntentsMode::Beside)), core);
    assert_eq!(names(&with_custom(true, IntentsMode::Instead)), [] as [String; 0]);
}
