//! What a policy decides on: the analysis, the journey and the interaction of one message, flattened into one value that
//! can also be written by hand in tests. What CEL sees of it is in [`super::variables`].

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::decision::Decision;
use crate::interaction::{Author, Channel, Interaction, Ratings};
use crate::journey::model::{ChurnRisk, GoalView, JourneyView, StageView, Transition, Trend};
use crate::nlp::Understanding;
use crate::nlp::labels::{Emotion, SentimentLabel, SignalKind, Stage};
use crate::nlp::understanding::{Complexity, GoalKind, Scored, Sentiment, Signal, SignalSource};

/// Days for which a broken promise counts.
pub const PROMISE_DAYS: i64 = 30;

/// Everything a policy may look at. Every field has a default, so a test writes only what matters to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Strongest first. By hand: names, or `{ name, confidence }`.
    #[serde(deserialize_with = "intents")]
    pub intents: Vec<Scored<String>>,
    /// No intent was sure enough.
    pub abstained: bool,
    /// By hand: a label, or the whole table.
    #[serde(deserialize_with = "sentiment")]
    pub sentiment: Sentiment,
    /// Strongest first. By hand: names, or `{ name, confidence }`.
    #[serde(deserialize_with = "emotions")]
    pub emotions: Vec<Scored<Emotion>>,
    /// By hand: names, or whole tables.
    #[serde(deserialize_with = "signals")]
    pub signals: Vec<Signal>,
    /// Where the customer stands now.
    pub stage: Option<Stage>,
    /// Where the customer stood before.
    pub previous_stage: Option<Stage>,
    /// Which way the stage went.
    pub transition: Transition,
    /// What the customer is after.
    pub goal: Option<GoalKind>,
    /// The goal is not met yet.
    pub goal_open: bool,
    /// Days since the goal was opened.
    pub goal_days: f32,
    /// Who can handle it.
    pub complexity: Complexity,
    /// 0…1.
    pub effort: f32,
    /// Questions asked in this message.
    pub questions: usize,
    /// ISO 639-1, or `und`.
    pub language: String,
    /// How it came.
    pub channel: Channel,
    /// Who wrote it.
    pub author: Author,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// Scores the customer gave.
    pub ratings: Ratings,
    /// The producer's attributes.
    pub attributes: BTreeMap<String, String>,
    /// Number of attachments.
    pub attachments: usize,
    /// A machine wrote it.
    pub auto_reply: bool,
    /// Analysed without the engine.
    pub degraded: bool,
    /// Where the customer stands.
    pub journey: JourneyFacts,
}

/// What a policy sees of the journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JourneyFacts {
    /// Earlier contacts.
    pub contacts: usize,
    /// The same problem was brought before.
    pub is_repeat: bool,
    /// In so many conversations.
    pub repeats: usize,
    /// Days since the first of them.
    pub repeat_days: f32,
    /// 0…100.
    pub experience: u8,
    /// Before this message.
    pub previous_experience: Option<u8>,
    /// Which way sentiment goes over the last contacts.
    pub sentiment_trend: Trend,
    /// Work the customer has had of late, 0…1.
    pub effort: f32,
    /// Goals not met yet.
    pub open_goals: usize,
    /// Churn risk.
    pub churn_risk: ChurnRisk,
    /// Promises of the contact centre.
    pub promises: usize,
    /// Those that the contacts of the last [`PROMISE_DAYS`] days tell were not kept.
    pub broken_promises: usize,
    /// A follow-up is due.
    pub follow_up: bool,
    /// Nothing yet shows that they bought.
    pub prospect: bool,
    /// Different things they were told of late.
    pub contradictions: usize,
    /// Of these, those that came up with this message.
    pub new_contradictions: usize,
    /// What is amiss with the contact centre's turns of this message.
    pub tone: Vec<String>,
    /// What a bad mark given with this message is about.
    pub root_cause: Option<String>,
}

impl Default for JourneyFacts {
    fn default() -> Self {
        Self {
            contacts: 0,
            is_repeat: false,
            repeats: 0,
            repeat_days: 0.0,
            experience: 70,
            previous_experience: None,
            sentiment_trend: Trend::default(),
            effort: 0.0,
            open_goals: 0,
            churn_risk: ChurnRisk::default(),
            promises: 0,
            broken_promises: 0,
            follow_up: false,
            prospect: false,
            contradictions: 0,
            new_contradictions: 0,
            tone: Vec::new(),
            root_cause: None,
        }
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            intents: Vec::new(),
            abstained: false,
            sentiment: plain_sentiment(SentimentLabel::Neutral),
            emotions: Vec::new(),
            signals: Vec::new(),
            stage: None,
            previous_stage: None,
            transition: Transition::Same,
            goal: None,
            goal_open: false,
            goal_days: 0.0,
            complexity: Complexity::Standard,
            effort: 0.0,
            questions: 0,
            language: "en".to_owned(),
            channel: Channel::Chat,
            author: Author::Customer,
            sent_at: DateTime::UNIX_EPOCH,
            ratings: Ratings::default(),
            attributes: BTreeMap::new(),
            attachments: 0,
            auto_reply: false,
            degraded: false,
            journey: JourneyFacts::default(),
        }
    }
}

/// Whose words the message is about: the customer's if there are any, else those of whoever speaks. A piece of a call in
/// which only the agent speaks is the contact centre's own.
fn speaker(interaction: &Interaction) -> Author {
    let mut speakers = interaction.turns.iter().map(|turn| turn.speaker);
    let first = speakers.clone().next().unwrap_or(interaction.author);
    if speakers.any(|speaker| speaker == Author::Customer) { Author::Customer } else { first }
}

impl Facts {
    /// The facts of one message. `journey` is the state with the message folded in; ages count up to `sent_at`.
    pub fn gather(
        interaction: &Interaction,
        understanding: &Understanding,
        journey: &JourneyView,
        stage: Option<&StageView>,
        goal: Option<&GoalView>,
    ) -> Self {
        let now = interaction.sent_at;
        Self {
            intents: understanding.intents.clone(),
            abstained: understanding.abstained,
            sentiment: understanding.sentiment.clone(),
            emotions: understanding.emotions.clone(),
            signals: understanding.signals.clone(),
            stage: stage.map(|view| view.name),
            previous_stage: stage.and_then(|view| view.previous),
            transition: stage.map_or(Transition::Same, |view| view.transition),
            goal: goal.map(|view| view.kind).or(understanding.goal),
            goal_open: goal.is_some_and(|view| view.open),
            goal_days: goal.map_or(0.0, |view| days_between(view.since, now)),
            complexity: understanding.complexity,
            effort: understanding.effort,
            questions: understanding.questions.len(),
            language: understanding.language.code.clone(),
            channel: interaction.channel,
            author: speaker(interaction),
            sent_at: now,
            ratings: interaction.ratings,
            attributes: interaction.attributes.clone(),
            attachments: interaction.attachments.len(),
            auto_reply: interaction.auto_reply.is_some()
                || understanding.signal(SignalKind::AutoReply).is_some(),
            degraded: understanding.degraded,
            journey: JourneyFacts::gather(journey, &interaction.message_id, now),
        }
    }

    /// The facts as far as a published decision tells them: without attributes and ratings, and with ages counted up to
    /// `decided_at`.
    pub fn from_decision(decision: &Decision) -> Self {
        let Decision { analysis, journey, decided_at, .. } = decision;
        let now = *decided_at;
        let (stage, goal) = (analysis.stage.as_ref(), analysis.goal.as_ref());
        Self {
            intents: analysis.intents.clone(),
            abstained: analysis.abstained,
            sentiment: analysis.sentiment.clone(),
            emotions: analysis.emotions.clone(),
            signals: analysis.signals.clone(),
            stage: stage.map(|view| view.name),
            previous_stage: stage.and_then(|view| view.previous),
            transition: stage.map_or(Transition::Same, |view| view.transition),
            goal: goal.map(|view| view.kind),
            goal_open: goal.is_some_and(|view| view.open),
            goal_days: goal.map_or(0.0, |view| days_between(view.since, now)),
            complexity: analysis.complexity,
            effort: analysis.effort,
            questions: analysis.questions.len(),
            language: analysis.language.code.clone(),
            channel: decision.channel,
            author: Author::Customer,
            sent_at: now,
            ratings: Ratings::default(),
            attributes: BTreeMap::new(),
            attachments: decision.attachments.len(),
            auto_reply: analysis.signals.iter().any(|signal| signal.name == SignalKind::AutoReply),
            degraded: decision.degraded,
            journey: JourneyFacts::gather(journey, &decision.message_id, now),
        }
    }

    /// The facts of a stored message: what its decision tells, and what the interaction adds to it. The same as those it
    /// was decided on.
    pub fn from_past(decision: &Decision, interaction: &Interaction) -> Self {
        let now = interaction.sent_at;
        Self {
            goal_days: decision.analysis.goal.as_ref().map_or(0.0, |view| days_between(view.since, now)),
            author: speaker(interaction),
            sent_at: now,
            ratings: interaction.ratings,
            attributes: interaction.attributes.clone(),
            auto_reply: interaction.auto_reply.is_some()
                || decision.analysis.signals.iter().any(|signal| signal.name == SignalKind::AutoReply),
            journey: JourneyFacts::gather(&decision.journey, &decision.message_id, now),
            ..Self::from_decision(decision)
        }
    }

    /// The first signal of that kind.
    pub fn signal(&self, kind: SignalKind) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.name == kind)
    }
}

impl JourneyFacts {
    fn gather(journey: &JourneyView, message_id: &str, now: DateTime<Utc>) -> Self {
        let of_late = |at: DateTime<Utc>| (now - at).num_days() <= PROMISE_DAYS;
        let broken = journey.promises.iter().filter(|promise| !promise.kept && of_late(promise.at));
        let new = journey
            .contradictions
            .iter()
            .filter(|found| found.second.message_id == message_id || found.first.message_id == message_id);
        Self {
            contacts: journey.contacts.len(),
            is_repeat: journey.repeat_contact.is_repeat,
            repeats: journey
                .repeat_contact
                .of
                .len()
                .max(usize::try_from(journey.repeat_contact.count).unwrap_or_default()),
            repeat_days: journey.repeat_contact.days,
            experience: journey.experience.score,
            previous_experience: journey.experience.previous,
            sentiment_trend: journey.sentiment_trend,
            effort: journey.effort,
            open_goals: journey.open_goals.len(),
            churn_risk: journey.churn_risk.clone(),
            promises: journey.promises.len(),
            broken_promises: broken.count(),
            follow_up: journey.follow_up.is_some(),
            prospect: journey.prospect,
            contradictions: journey.contradictions.len(),
            new_contradictions: new.count(),
            tone: journey.tone.iter().map(|tone| tone.issue.as_str().to_owned()).collect(),
            root_cause: journey.survey.as_ref().and_then(|survey| survey.root_cause.clone()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of seconds between two dates fits well enough")]
fn days_between(from: DateTime<Utc>, to: DateTime<Utc>) -> f32 {
    ((to - from).num_seconds().max(0) as f64 / 86_400.0) as f32
}

/// The sentiment a bare label stands for.
fn plain_sentiment(label: SentimentLabel) -> Sentiment {
    let score = match label {
        SentimentLabel::Negative => -0.8,
        SentimentLabel::Neutral => 0.0,
        SentimentLabel::Positive => 0.8,
    };
    Sentiment { label, score, confidence: 1.0, first_third: score, last_third: score, shift: 0.0 }
}

/// A bare name, or the whole table. By hand instead of untagged, so that an error says which names there are.
enum OneOf<A, B> {
    Short(A),
    Long(B),
}

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Deserialize<'de> for OneOf<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<A, B>(PhantomData<(A, B)>);

        impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for Either<A, B> {
            type Value = OneOf<A, B>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a table")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                A::deserialize(name.into_deserializer()).map(OneOf::Short)
            }

            fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<Self::Value, M::Error> {
                B::deserialize(MapAccessDeserializer::new(table)).map(OneOf::Long)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

fn scored<'de, D, T>(deserializer: D) -> Result<Vec<Scored<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let items = Vec::<OneOf<T, Scored<T>>>::deserialize(deserializer)?;
    Ok(items
        .into_iter()
        .map(|item| match item {
            OneOf::Short(name) => Scored { name, confidence: 1.0 },
            OneOf::Long(scored) => scored,
        })
        .collect())
}

fn intents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scored<String>>, D::Error> {
    scored(deserializer).map_err(|error| named("intents", &error))
}

fn emotions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scored<Emotion>>, D::Error> {
    scored(deserializer).map_err(|error| named("emotions", &error))
}

fn signals<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Signal>, D::Error> {
    let items = Vec::<OneOf<SignalKind, Signal>>::deserialize(deserializer)
        .map_err(|error| named("signals", &error))?;
    Ok(items
        .into_iter()
        .map(|item| match item {
            OneOf::Short(name) => {
                Signal { name, confidence: 1.0, source: SignalSource::Cue, span: None, text: None }
            }
            OneOf::Long(signal) => signal,
        })
        .collect())
}

fn sentiment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sentiment, D::Error> {
    let given = OneOf::<SentimentLabel, Sentiment>::deserialize(deserializer)
        .map_err(|error| named("sentiment", &error))?;
    Ok(match given {
        OneOf::Short(label) => plain_sentiment(label),
        OneOf::Long(sentiment) => sentiment,
    })
}

/// The error with the fact that it is about.
fn named<E: de::Error>(fact: &str, error: &E) -> E {
    E::custom(format!("{fact}: {error}"))
}
