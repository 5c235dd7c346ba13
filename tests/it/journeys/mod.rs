//! Stories of customers (`tests/journeys/*.toml`), told to the pipeline from the wire form to the committed decision.
//! Beside what each story expects, three things hold of every one: a decision made again is the same, a message
//! delivered again changes nothing, and whatever order the contacts arrive in, the end is the same.

mod check;
mod scale;
mod story;
mod told;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use smista::config::{Config, OnEngineFailure};
use smista::interaction::{Interaction, Mode, ParseContext, parse};
use smista::journey::{FoldSettings, Journey};
use smista::nlp::analyzer::{Analyzer, Model};
use smista::nlp::engine::Engine;
use smista::nlp::pack::PackError;
use smista::nlp::scripted::ScriptedEngine;
use smista::nlp::service::{EngineHandle, EngineSettings};
use smista::routing::compile::Policy;
use smista::routing::{Decision, PolicyHandle};
use smista::store::{Destination, Store};
use smista::worker::Pipeline;

use check::{Differences, compare};
use story::Story;
use told::ToldAnalysis;

/// What every story shares; compiling the cue rules takes longest.
struct Shared {
    config: Config,
    analyzer: Arc<Analyzer>,
    policy: Arc<PolicyHandle>,
}

impl Shared {
    fn new() -> Self {
        let config = Config::load(None).unwrap();
        let engine = EngineHandle::spawn(
            || Ok::<Box<dyn Engine>, PackError>(Box::new(ScriptedEngine)),
            EngineSettings::default(),
        )
        .unwrap();
        let analyzer = Analyzer::new(Model::scripted(), engine, &config.interaction.languages, "en").unwrap();
        let policy = PolicyHandle::new(Policy::embedded_default().unwrap());
        Self { config, analyzer: Arc::new(analyzer), policy: Arc::new(policy) }
    }
}

struct Teller<'a> {
    story: &'a Story,
    pipeline: Pipeline,
    store: Arc<dyn Store>,
}

/// One contact's decision with the names of the events published with it.
struct Answer {
    decision: Decision,
    events: Vec<String>,
}

impl<'a> Teller<'a> {
    async fn new(story: &'a Story, shared: &Shared) -> Self {
        let store = smista::store::sqlite::memory().await.unwrap();
        let contacts = story.contacts.iter().enumerate();
        let means = contacts.map(|(index, told)| (story.id(index), told.means.clone())).collect();
        let mut fold: FoldSettings = (&shared.config.journey).into();
        if let Some(zone) = &story.time_zone {
            fold.zone = zone.parse().unwrap();
        }
        let pipeline = Pipeline::new(
            Arc::new(ToldAnalysis { analyzer: Arc::clone(&shared.analyzer), means }),
            Arc::clone(&store),
            Arc::clone(&shared.policy),
            fold,
            OnEngineFailure::Hold,
        )
        .sounding_like((&shared.config.journey.persona).into())
        .watching(Some((&shared.config.journey.spikes).into()));
        Self { story, pipeline, store }
    }

    fn interaction(&self, index: usize) -> Interaction {
        let context =
            ParseContext { received_at: self.received(index), identity_key: b"stories", mode: Mode::Queue };
        let body = self.story.wire(index);
        parse(&body, &context).unwrap_or_else(|error| panic!("{}: {error}", self.story.id(index)))
    }

    fn received(&self, index: usize) -> DateTime<Utc> {
        self.story.contacts[index].at + chrono::Duration::seconds(2)
    }

    async fn tell(&self, index: usize) -> Answer {
        let decided = self.pipeline.decide(&self.interaction(index), self.received(index)).await.unwrap();
        assert!(!decided.duplicate, "{} is there twice", self.story.id(index));
        let events = decided.outbox.iter().filter(|message| message.destination == Destination::Events);
        let name = |body: &str| {
            let event: Value = serde_json::from_str(body).unwrap();
            event["event"].as_str().unwrap().to_owned()
        };
        Answer { events: events.map(|event| name(&event.body)).collect(), decision: decided.decision }
    }

    /// The journeys at the end of all whom the story is about, by what is in them: whose name a merged customer goes
    /// by may depend on who came first.
    async fn journeys(&self) -> Vec<Journey> {
        let mut journeys: Vec<Journey> = Vec::new();
        for index in 0..self.story.contacts.len() {
            let journey = self.journey_of(&self.interaction(index)).await;
            // What was published depends on what had come by then.
            let journey = Journey { survey_due_at: None, ..journey };
            if !journeys.contains(&journey) {
                journeys.push(journey);
            }
        }
        journeys.sort_by_key(|journey| journey.contacts.first().map(|first| first.message_id.clone()));
        journeys
    }

    async fn journey_of(&self, interaction: &Interaction) -> Journey {
        let customer = self
            .store
            .resolve_customer(
                interaction.customer_id.as_deref(),
                &interaction.conversation_id,
                &interaction.identities,
            )
            .await
            .unwrap();
        self.store.customer(&customer.customer).await.unwrap().journey
    }

    /// A stored decision, made again from what is stored with it.
    async fn again(&self, decision: &Decision) -> Decision {
        let record = self.store.replay_record(decision.decision_id).await.unwrap().unwrap();
        let understanding = self.pipeline.analyse(&record.interaction).await.unwrap();
        self.pipeline
            .compose(
                &record.interaction,
                &understanding,
                &record.before,
                &record.customer,
                record.decision.decided_at,
            )
            .await
            .unwrap()
            .decision
    }
}

async fn told(story: &Story, shared: &Shared) -> Vec<String> {
    let teller = Teller::new(story, shared).await;
    let mut found = Vec::new();
    let mut answers = Vec::new();
    for (index, told) in story.contacts.iter().enumerate() {
        let answer = teller.tell(index).await;
        let at = format!("contact {}", story.id(index));
        let mut differences = Differences { at: &at, found: Vec::new() };
        compare(&mut differences, &told.expect, &answer.decision, &answer.events);
        if let Some(language) = &story.language {
            differences.same("language", Some(language), &answer.decision.analysis.language.code);
        }
        found.extend(differences.found);
        answers.push(answer);
    }
    let journeys = teller.journeys().await;
    let last = &answers.last().unwrap().decision;
    found.extend(ended(&teller, story, last).await);
    for answer in &answers {
        let again = teller.again(&answer.decision).await;
        let hash = |decision: &Decision| decision.content_hash().unwrap();
        if hash(&again) != hash(&answer.decision) {
            found.push(format!("{} is decided otherwise when made again", answer.decision.message_id));
        }
    }
    for index in 0..story.contacts.len() {
        let decided =
            teller.pipeline.decide(&teller.interaction(index), teller.received(index)).await.unwrap();
        assert!(decided.duplicate, "{}: {} was decided twice", story.title, story.id(index));
    }
    if teller.journeys().await != journeys {
        found.push("messages delivered again changed the state".to_owned());
    }
    found.extend(other_orders(story, shared, &journeys).await);
    found
}

async fn ended(teller: &Teller<'_>, story: &Story, last: &Decision) -> Vec<String> {
    let end = &story.end;
    let state = teller.store.customer(&last.customer_id).await.unwrap();
    let journey = &state.journey;
    let mut differences = Differences { at: "the end", found: Vec::new() };
    differences.same("customer", end.customer.as_ref(), &last.customer_id);
    let stage = journey.stage.map(|stage| stage.as_str().to_owned()).unwrap_or_default();
    differences.same("stage", end.stage.as_ref(), &stage);
    let goals: Vec<String> = journey.open_goals.iter().map(|goal| goal.intent.clone()).collect();
    differences.same("open goals", end.goals_open.as_ref(), &goals);
    differences.same("contacts", end.contacts.as_ref(), &journey.total_contacts);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0…100")]
    differences.within("experience", end.experience, journey.experience.round() as u8);
    for name in &end.also_known_as {
        let found = teller.store.resolve_customer(Some(name), "a new conversation", &[]).await.unwrap();
        differences.same(&format!("{name}, as it is known now,"), Some(&last.customer_id), &found.customer);
    }
    differences.found
}

/// Every other order of up to four contacts. Of more: backwards, from the middle on, and with each two neighbours changed.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let told: Vec<usize> = (0..count).collect();
    if count > 4 {
        let swapped = (1..count).map(|at| {
            let mut order = told.clone();
            order.swap(at - 1, at);
            order
        });
        let from_the_middle = (0..count).map(|index| (index + count / 2) % count).collect();
        return swapped.chain([told.iter().rev().copied().collect(), from_the_middle]).collect();
    }
    let mut orders = vec![Vec::new()];
    for _ in 0..count {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            let left = (0..count).filter(|index| !order.contains(index)).collect::<Vec<_>>();
            left.into_iter().map(move |index| [order.as_slice(), &[index]].concat())
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders.retain(|order| *order != told);
    orders
}

async fn other_orders(story: &Story, shared: &Shared, expected: &[Journey]) -> Vec<String> {
    let mut found = Vec::new();
    for order in orders(story.contacts.len()) {
        let teller = Teller::new(story, shared).await;
        for index in &order {
            teller.tell(*index).await;
        }
        let journeys = teller.journeys().await;
        if journeys != expected {
            let told: Vec<String> = order.iter().map(|index| story.id(*index)).collect();
            found.push(format!(
                "told in the order {} the end is another: {}",
                told.join(" "),
                difference(expected, &journeys)
            ));
        }
    }
    found
}

fn difference(expected: &[Journey], found: &[Journey]) -> String {
    let lines = |journeys: &[Journey]| -> Vec<String> {
        let text = serde_json::to_string_pretty(journeys).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let differ = expected.iter().zip(&found).filter(|(a, b)| a != b);
    let some: Vec<String> = differ.take(8).map(|(a, b)| format!("{} / {}", a.trim(), b.trim())).collect();
    format!("{} and {} lines; {}", expected.len(), found.len(), some.join("; "))
}

fn read(path: &Path) -> Story {
    let text = std::fs::read_to_string(path).unwrap();
    let story: Story = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!story.contacts.is_empty(), "{} has no contact", path.display());
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn every_story_ends_as_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let only = std::env::var("SMISTA_STORY").unwrap_or_default();
    let mut report = Vec::new();
    let mut languages = [0, 0];
    let shared = Shared::new();
    for file in files.iter().filter(|file| file.to_string_lossy().contains(&only)) {
        let story = read(file);
        languages[usize::from(story.language.as_deref() == Some("it"))] += 1;
        let found = told(&story, &shared).await;
        if !found.is_empty() {
            let name = file.file_name().unwrap().to_string_lossy();
            report.push(format!("{name} — {}\n    {}", story.title, found.join("\n    ")));
        }
    }
    assert!(report.is_empty(), "{} stories end otherwise:\n{}", report.len(), report.join("\n"));
    assert!(!only.is_empty() || languages.iter().all(|count| *count > 0), "{languages:?}");
}
