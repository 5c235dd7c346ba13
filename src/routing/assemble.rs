//! Puts a decision together from what the rooms above found.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::decide::Routing;
use super::decision::{Analysis, Decision, GoalView, SCHEMA, StageView, Versions};
use crate::interaction::Interaction;
use crate::journey::JourneyView;
use crate::nlp::Understanding;

/// What a decision is made of.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// What arrived.
    pub interaction: &'a Interaction,
    /// The customer, as stitched.
    pub customer_id: &'a str,
    /// What it means.
    pub understanding: Understanding,
    /// Where the customer stands, with this message folded in.
    pub journey: JourneyView,
    /// The stage now.
    pub stage: Option<StageView>,
    /// The goal now.
    pub goal: Option<GoalView>,
    /// What the policy says.
    pub routing: Routing,
    /// What all this was made with.
    pub versions: Versions,
    /// 1, or higher for a correction.
    pub revision: u32,
    /// Decision this one replaces.
    pub supersedes: Option<Uuid>,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// The decision as it is published.
pub fn assemble(parts: Parts<'_>) -> Decision {
    let Parts { interaction, understanding, routing, .. } = parts;
    Decision {
        schema: SCHEMA.to_owned(),
        decision_id: Decision::id_for(&interaction.message_id, parts.revision),
        revision: parts.revision,
        supersedes: parts.supersedes,
        message_id: interaction.message_id.clone(),
        conversation_id: interaction.conversation_id.clone(),
        customer_id: parts.customer_id.to_owned(),
        channel: interaction.channel,
        decided_at: parts.decided_at,
        degraded: understanding.degraded,
        analysis: Analysis {
            language: understanding.language,
            sentiment: understanding.sentiment,
            emotions: understanding.emotions,
            intents: understanding.intents,
            abstained: understanding.abstained,
            stage: parts.stage,
            signals: understanding.signals,
            goal: parts.goal,
            complexity: understanding.complexity,
            effort: understanding.effort,
            questions: understanding.questions,
        },
        journey: parts.journey,
        priority: routing.priority,
        route: routing.route,
        flags: routing.flags,
        tags: routing.tags,
        reasons: routing.reasons,
        attachments: interaction.attachments.clone(),
        versions: parts.versions,
    }
}
