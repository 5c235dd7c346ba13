//! The stages of one message in order: analyse, fold, decide, commit. Shared by the worker, `analyze` and `demo`, so that
//! all three decide alike. Publishing and settling are the lane's work.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::analysis::Analysis;
use super::canary::{Canary, Case};
use super::spikes::SpikeWatch;
use super::suspects::Suspects;
use crate::config::{Explain, OnEngineFailure, Thresholds};
use crate::interaction::Interaction;
use crate::journey::spikes::SpikeSettings;
use crate::journey::{self, Change, Contact, FoldSettings, Journey, Persona};
use crate::nlp::Understanding;
use crate::nlp::analyzer::AnalyzeError;
use crate::nlp::thresholds::UnknownLabel;
use crate::routing::decision::{Action, Versions, hash_json};
use crate::routing::event::{self, Event, PolicyEvent};
use crate::routing::{self, Decision, Facts, Parts, Policy, PolicyHandle};
use crate::store::{
    Committed, CustomerState, Destination, Effect, MarkKey, OutboxMessage, Store, StoreError,
};
use crate::telemetry::events;

/// How often a commit that another worker forestalled is folded again before it counts as a failed try.
const STALE_RETRIES: u32 = 8;

/// Why a stage gave no result.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The analysis failed.
    #[error(transparent)]
    Analyse(#[from] AnalyzeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker died while it had this message alone at work.
    #[error("a worker died while this message was the only one at work in it")]
    Deadly,
    /// The decision cannot be written as JSON.
    #[error("the decision cannot be serialised: {0}")]
    Serialise(#[from] serde_json::Error),
    /// The customer was erased, and this message is from before: it is let go without an effect.
    #[error("its customer was erased after it was sent")]
    Erased,
}

/// A decided message and what has to be published for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Not confirmed yet, in order.
    pub outbox: Vec<OutboxMessage>,
    /// It was decided on an earlier delivery; nothing was written this time.
    pub duplicate: bool,
}

/// A decision with the state it leads to; nothing is written yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// The decision.
    pub decision: Decision,
    /// The customer's journey after it.
    pub after: Journey,
    /// What changed for the customer.
    pub changes: Vec<Change>,
    /// Events that the policy asked for.
    pub policy_events: Vec<String>,
}

/// The stages, ready to be used by any number of lanes.
pub struct Pipeline {
    analyzer: Arc<dyn Analysis>,
    store: Arc<dyn Store>,
    policy: Arc<PolicyHandle>,
    fold: FoldSettings,
    on_engine_failure: OnEngineFailure,
    explain: Explain,
    marks: Option<MarkKey>,
    persona: Persona,
    suspects: Suspects,
    spikes: Option<SpikeWatch>,
    settings: ArcSwapOption<String>,
    canary: Option<Canary>,
}

impl Pipeline {
    /// Puts the rooms together.
    pub fn new(
        analyzer: Arc<dyn Analysis>,
        store: Arc<dyn Store>,
        policy: Arc<PolicyHandle>,
        fold: FoldSettings,
        on_engine_failure: OnEngineFailure,
    ) -> Self {
        Self {
            analyzer,
            store,
            policy,
            fold,
            on_engine_failure,
            explain: Explain::default(),
            marks: None,
            persona: Persona::default(),
            suspects: Suspects::default(),
            spikes: None,
            settings: ArcSwapOption::empty(),
            canary: None,
        }
    }

    /// Explains these decisions; without it, those that escalate or carry a flag.
    #[must_use]
    pub fn explaining(self, explain: Explain) -> Self {
        Self { explain, ..self }
    }

    /// Lets late messages of erased customers go; without it, they are decided as any other.
    #[must_use]
    pub fn heeding_erasures(self, key: MarkKey) -> Self {
        Self { marks: Some(key), ..self }
    }

    /// Checks the contact centre's own turns against a persona; without it, against nothing.
    #[must_use]
    pub fn sounding_like(self, persona: Persona) -> Self {
        Self { persona, ..self }
    }

    /// Counts what messages are about and tells when a topic rises; without it, nothing is counted.
    #[must_use]
    pub fn watching(self, spikes: Option<SpikeSettings>) -> Self {
        Self { spikes: spikes.map(SpikeWatch::new), ..self }
    }

    /// Names the settings in the versions of decisions, by their hash.
    #[must_use]
    pub fn by_settings(self, hash: String) -> Self {
        Self { settings: ArcSwapOption::from_pointee(hash), ..self }
    }

    /// Compares its decisions with those of a shadow; without one, with nothing.
    #[must_use]
    pub fn beside(self, canary: Canary) -> Self {
        Self { canary: Some(canary), ..self }
    }

    /// Stages that decide alike but for another policy or another model, and explain nothing.
    pub fn shadow(&self, policy: Option<Policy>, analyzer: Option<Arc<dyn Analysis>>) -> Self {
        let policy =
            policy.map_or_else(|| Arc::clone(&self.policy), |policy| Arc::new(PolicyHandle::new(policy)));
        let analyzer = analyzer.unwrap_or_else(|| Arc::clone(&self.analyzer));
        let shadow = Self::new(analyzer, Arc::clone(&self.store), policy, self.fold, self.on_engine_failure);
        Self {
            explain: Explain::Never,
            persona: self.persona.clone(),
            settings: ArcSwapOption::new(self.settings.load_full()),
            ..shadow
        }
    }

    /// The shadow, where there is one.
    pub fn canary(&self) -> Option<&Canary> {
        self.canary.as_ref()
    }

    /// The hash of the settings that decisions carry.
    pub fn settings(&self) -> Option<Arc<String>> {
        self.settings.load_full()
    }

    /// Takes other bars of the model, with the hash of the settings that decisions carry from now on.
    ///
    /// # Errors
    /// When a bar is for a label that the model does not have; nothing changes then.
    pub fn retune(&self, bars: &Thresholds, hash: String) -> Result<(), UnknownLabel> {
        self.analyzer.retune(bars)?;
        self.settings.store(Some(Arc::new(hash)));
        Ok(())
    }

    /// Hours that counts of topics are kept; none where nothing is counted.
    pub fn topic_hours(&self) -> Option<i64> {
        self.spikes.as_ref().map(SpikeWatch::history_hours)
    }

    /// The store, for the lane and the relay.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// One try of the work on a message that may kill the process: alone when workers have died with it before.
    pub async fn attempt<T>(
        &self,
        message_id: &str,
        earlier_deliveries: u32,
        work: impl Future<Output = Result<T, PipelineError>>,
    ) -> Result<T, PipelineError> {
        self.suspects.attempt(self.store.as_ref(), message_id, earlier_deliveries, work).await
    }

    /// The worker stops in good order: what it had at work did not kill it.
    pub async fn acquit(&self) {
        self.suspects.acquit(self.store.as_ref()).await;
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<PolicyHandle> {
        &self.policy
    }

    /// The model version decisions carry.
    pub fn model_version(&self) -> &str {
        self.analyzer.version()
    }

    /// All stages, one try each.
    pub async fn decide(
        &self,
        interaction: &Interaction,
        decided_at: DateTime<Utc>,
    ) -> Result<Decided, PipelineError> {
        if let Some(decided) = self.decided_before(interaction).await? {
            return Ok(decided);
        }
        let understanding = self.analyse(interaction).await?;
        self.fold_and_commit(interaction, &understanding, decided_at).await
    }

    /// The decision of an earlier delivery, if there was one (invariant I2).
    pub async fn decided_before(&self, interaction: &Interaction) -> Result<Option<Decided>, PipelineError> {
        let earlier = self.store.decided(&interaction.message_id).await?;
        Ok(earlier.map(|(decision, outbox)| Decided { decision, outbox, duplicate: true }))
    }

    /// What the message means. While the engine fails, cues alone answer if the configuration says so.
    pub async fn analyse(&self, interaction: &Interaction) -> Result<Understanding, PipelineError> {
        let started = Instant::now();
        let understanding = match self.analyzer.analyze(interaction).await {
            Ok(understanding) => understanding,
            Err(error) => match self.on_engine_failure {
                OnEngineFailure::Cues => {
                    events::Degraded { message_id: &interaction.message_id, error: &error.to_string() }
                        .emit();
                    self.analyzer.analyze_cues_only(interaction)
                }
                OnEngineFailure::Hold => return Err(error.into()),
            },
        };
        events::Analysed { took: started.elapsed() }.emit();
        Ok(understanding)
    }

    /// What the message means, or why the model cannot say.
    pub async fn understand(&self, interaction: &Interaction) -> Result<Understanding, PipelineError> {
        Ok(self.analyzer.analyze(interaction).await?)
    }

    /// What the message means by its cues alone: what a decision made without the engine (`degraded`) was made from.
    pub fn analyse_cues_only(&self, interaction: &Interaction) -> Understanding {
        self.analyzer.analyze_cues_only(interaction)
    }

    /// Whether the analysis works on other messages.
    pub async fn can_analyse(&self) -> bool {
        self.analyzer.answers().await
    }

    /// Folds the message into the customer's journey, decides, and commits both with the outbox. When another worker
    /// changes the customer meanwhile, folds again on the new state.
    pub async fn fold_and_commit(
        &self,
        interaction: &Interaction,
        understanding: &Understanding,
        decided_at: DateTime<Utc>,
    ) -> Result<Decided, PipelineError> {
        let mut topics = None;
        for _ in 0..STALE_RETRIES {
            let (before, absorbed) = self.state_of(interaction).await?;
            if let Some(watch) = self.spikes.as_ref().filter(|_| topics.is_none()) {
                let store = self.store.as_ref();
                let (intents, customer) = (&understanding.intents, &before.customer);
                topics = Some(watch.topics(store, interaction, intents, customer, decided_at).await?);
            }
            let mut composed = self
                .compose(interaction, understanding, &before.journey, &before.customer, decided_at)
                .await?;
            if !absorbed.is_empty() {
                let former = absorbed.iter().map(|state| state.customer.clone()).collect();
                composed.changes.insert(0, Change::CustomersMerged { former });
            }
            let outbox = outbox(&composed)?;
            let case = self.canary.as_ref().filter(|canary| canary.wants(&interaction.conversation_id)).map(
                |canary| {
                    let case = Case {
                        interaction: interaction.clone(),
                        understanding: understanding.clone(),
                        before: before.journey.clone(),
                        customer: before.customer.clone(),
                        decided_at,
                        live: composed.decision.clone(),
                    };
                    (canary, case)
                },
            );
            let effect = Effect {
                interaction: interaction.clone(),
                before,
                absorbed,
                after: composed.after,
                decision: composed.decision.clone(),
                outbox: outbox.clone(),
                traces: self.marks.as_ref().map(|key| key.traces(interaction)),
                topics: topics.clone().unwrap_or_default(),
            };
            let decision = composed.decision;
            let committed = self.store.commit(effect).await?;
            if let Committed::New | Committed::Spiked(_) = &committed {
                let mut events: Vec<&str> = composed.policy_events.iter().map(String::as_str).collect();
                composed.changes.iter().for_each(|change| events.push(change.name()));
                events::TookEffect { decision: &decision, events }.emit();
                if let Some((canary, case)) = case {
                    canary.offer(case);
                }
            }
            match committed {
                Committed::New => return Ok(Decided { decision, outbox, duplicate: false }),
                Committed::Spiked(events) => {
                    let outbox = [outbox, events].concat();
                    return Ok(Decided { decision, outbox, duplicate: false });
                }
                Committed::Duplicate(decision, outbox) => {
                    return Ok(Decided { decision: *decision, outbox, duplicate: true });
                }
                Committed::Stale => {}
                Committed::Erased => return Err(PipelineError::Erased),
            }
        }
        Err(StoreError::Unavailable("another worker keeps changing this customer".to_owned()).into())
    }

    /// The state of the message's customer, and of whoever turns out to be the same: the histories of those are folded
    /// into the first.
    async fn state_of(
        &self,
        interaction: &Interaction,
    ) -> Result<(CustomerState, Vec<CustomerState>), PipelineError> {
        let (id, conversation) = (interaction.customer_id.as_deref(), &interaction.conversation_id);
        let owner = self.store.resolve_customer(id, conversation, &interaction.identities).await?;
        let mut state = self.store.customer(&owner.customer).await?;
        let mut absorbed = Vec::with_capacity(owner.absorbs.len());
        for former in &owner.absorbs {
            let former = self.store.customer(former).await?;
            state.journey = journey::merge(&state.journey, &former.journey, &self.fold);
            absorbed.push(former);
        }
        Ok((state, absorbed))
    }

    /// One history of two, by the settings of this pipeline.
    pub fn merge(&self, one: &Journey, other: &Journey) -> Journey {
        journey::merge(one, other, &self.fold)
    }

    /// The decision for a message against a given state, explained if it is one that is: no I/O, so `replay` can prove
    /// it (invariant I5). An explanation that fails is left out; the decision stands without it.
    pub async fn compose(
        &self,
        interaction: &Interaction,
        understanding: &Understanding,
        before: &Journey,
        customer: &str,
        decided_at: DateTime<Utc>,
    ) -> Result<Composed, PipelineError> {
        let policy = self.policy.current();
        let mut composed =
            self.compose_by(&policy, interaction, understanding, before, customer, decided_at)?;
        let decision = &mut composed.decision;
        let wanted = match self.explain {
            Explain::Never => false,
            Explain::Flagged => decision.route.action == Action::Escalate || !decision.flags.is_empty(),
            Explain::Always => true,
        };
        if wanted {
            match self.analyzer.explain(interaction, understanding).await {
                Ok(words) => routing::explain(decision, &policy, words, &interaction.document()),
                Err(error) => {
                    events::Unexplained { message_id: &interaction.message_id, error: &error.to_string() }
                        .emit();
                }
            }
        }
        Ok(composed)
    }

    fn compose_by(
        &self,
        policy: &Policy,
        interaction: &Interaction,
        understanding: &Understanding,
        before: &Journey,
        customer: &str,
        decided_at: DateTime<Utc>,
    ) -> Result<Composed, PipelineError> {
        let contact = Contact::from(interaction, understanding, self.fold.zone);
        // Of a conversation that comes piece by piece the latest decision counts; a late piece replaces nothing.
        let supersedes = before
            .last_of(&interaction.conversation_id)
            .filter(|last| (last.at, &last.message_id) < (contact.at, &contact.message_id))
            .map(|last| Decision::id_for(&last.message_id, 1));
        let mut folded = journey::fold(before, contact, &self.fold);
        let (language, sentiment) = (&understanding.language.code, understanding.sentiment.score);
        folded.view.tone =
            journey::check_tone(interaction, language, sentiment, &before.contacts, &self.persona);
        let facts = Facts::gather(
            interaction,
            understanding,
            &folded.view,
            folded.stage.as_ref(),
            folded.goal.as_ref(),
        );
        let routing = policy.decide(&facts);
        let policy_events = routing.events.clone();
        let decision = routing::assemble(Parts {
            interaction,
            customer_id: customer,
            understanding: understanding.clone(),
            journey: folded.view,
            stage: folded.stage,
            goal: folded.goal,
            routing,
            versions: Versions {
                model: self.analyzer.version().to_owned(),
                policy: policy.id(),
                schema: "v1".to_owned(),
                input: hash_json(interaction)?,
                state: hash_json(before)?,
                settings: self.settings.load().as_deref().cloned(),
            },
            revision: 1,
            supersedes,
            decided_at: decided_at.trunc_subsecs(3),
        });
        Ok(Composed { decision, after: folded.journey, changes: folded.changes, policy_events })
    }
}

/// What a decided message has to publish: the decision, then its events. Ids derive from the decision's, so a
/// redelivery publishes the same ones.
fn outbox(composed: &Composed) -> Result<Vec<OutboxMessage>, serde_json::Error> {
    let decision = &composed.decision;
    let mut messages = vec![OutboxMessage {
        id: decision.decision_id.to_string(),
        destination: Destination::Decisions,
        routing_key: decision.routing_key(),
        body: serde_json::to_string(decision)?,
    }];
    for change in &composed.changes {
        push_event(&mut messages, decision, change.name(), change)?;
    }
    for event in &composed.policy_events {
        push_event(&mut messages, decision, event, PolicyEvent { event })?;
    }
    Ok(messages)
}

fn push_event<T: Serialize>(
    messages: &mut Vec<OutboxMessage>,
    decision: &Decision,
    name: &str,
    change: T,
) -> Result<(), serde_json::Error> {
    let event_id = Uuid::new_v5(&decision.decision_id, format!("{}/{name}", messages.len()).as_bytes());
    messages.push(OutboxMessage {
        id: event_id.to_string(),
        destination: Destination::Events,
        routing_key: event::routing_key(decision, name),
        body: serde_json::to_string(&Event::of(decision, event_id, change))?,
    });
    Ok(())
}
