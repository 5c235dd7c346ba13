//! A row per decision: what it says, without the words.

use super::table::Kind::{Flag, List, Real, Text, Time, Whole, Words};
use super::table::{Column, every, list, some};
use crate::journey::model::Promise;
use crate::store::Past;

/// The columns, in order.
pub fn columns() -> Vec<Column<Past>> {
    let mut columns = whose();
    columns.extend(analysis());
    columns.extend(routing());
    columns.extend(journey());
    columns.extend(made_by());
    columns
}

fn whose() -> Vec<Column<Past>> {
    vec![
        every("decision_id", Text, |past| past.decision.decision_id.to_string().into()),
        every("message_id", Text, |past| (&past.decision.message_id).into()),
        every("conversation_id", Text, |past| (&past.decision.conversation_id).into()),
        every("customer_id", Text, |past| (&past.customer).into()),
        every("channel", Text, |past| past.decision.channel.as_str().into()),
        every("author", Text, |past| super::interactions::author(past).into()),
        every("sent_at", Time, |past| past.interaction.sent_at.into()),
        every("decided_at", Time, |past| past.decision.decided_at.into()),
    ]
}

fn analysis() -> Vec<Column<Past>> {
    vec![
        every("language", Text, |past| (&past.decision.analysis.language.code).into()),
        every("sentiment", Text, |past| past.decision.analysis.sentiment.label.as_str().into()),
        every("sentiment_score", Real, |past| past.decision.analysis.sentiment.score.into()),
        every("sentiment_confidence", Real, |past| past.decision.analysis.sentiment.confidence.into()),
        every("sentiment_shift", Real, |past| past.decision.analysis.sentiment.shift.into()),
        every("emotions", List, |past| list(past.decision.analysis.emotions.iter().map(|one| one.name))),
        some("intent", Text, |past| past.decision.analysis.intents.first().map(|one| &one.name).into()),
        some("intent_confidence", Real, |past| {
            past.decision.analysis.intents.first().map(|one| one.confidence).into()
        }),
        every("intents", List, |past| list(past.decision.analysis.intents.iter().map(|one| &one.name))),
        every("abstained", Flag, |past| past.decision.analysis.abstained.into()),
        every("signals", List, |past| list(past.decision.analysis.signals.iter().map(|one| one.name))),
        some("stage", Text, |past| past.decision.analysis.stage.as_ref().map(|one| one.name.as_str()).into()),
        some("stage_previous", Text, |past| {
            let stage = past.decision.analysis.stage.as_ref();
            stage.and_then(|one| one.previous).map(|one| one.as_str()).into()
        }),
        some("goal", Text, |past| past.decision.analysis.goal.as_ref().map(|goal| name(&goal.kind)).into()),
        some("goal_open", Flag, |past| past.decision.analysis.goal.as_ref().map(|goal| goal.open).into()),
        every("complexity", Text, |past| name(&past.decision.analysis.complexity).into()),
        every("effort", Real, |past| past.decision.analysis.effort.into()),
        every("open_questions", Whole, |past| past.decision.analysis.questions.len().into()),
    ]
}

fn routing() -> Vec<Column<Past>> {
    vec![
        every("priority", Text, |past| past.decision.priority.level.as_str().into()),
        every("priority_score", Real, |past| past.decision.priority.score.into()),
        every("action", Text, |past| past.decision.route.action.as_str().into()),
        some("queue", Text, |past| past.decision.route.queue.as_ref().into()),
        every("skills", List, |past| list(&past.decision.route.skills)),
        some("sla_due_at", Time, |past| past.decision.route.sla_due_at.into()),
        every("flags", List, |past| list(&past.decision.flags)),
        every("tags", List, |past| list(&past.decision.tags)),
        every("rules", List, |past| list(past.decision.reasons.iter().map(|reason| &reason.rule))),
    ]
}

fn journey() -> Vec<Column<Past>> {
    vec![
        every("repeat_contact", Flag, |past| past.decision.journey.repeat_contact.is_repeat.into()),
        every("repeat_count", Whole, |past| past.decision.journey.repeat_contact.count.into()),
        every("repeat_days", Real, |past| past.decision.journey.repeat_contact.days.into()),
        every("experience", Whole, |past| past.decision.journey.experience.score.into()),
        some("experience_previous", Whole, |past| past.decision.journey.experience.previous.into()),
        every("sentiment_trend", Text, |past| name(&past.decision.journey.sentiment_trend).into()),
        every("journey_effort", Real, |past| past.decision.journey.effort.into()),
        every("churn_risk", Text, |past| name(&past.decision.journey.churn_risk.level).into()),
        every("churn_reasons", List, |past| list(&past.decision.journey.churn_risk.reasons)),
        every("open_goals", List, |past| {
            list(past.decision.journey.open_goals.iter().map(|goal| &goal.intent))
        }),
        every("promises", Whole, |past| past.decision.journey.promises.len().into()),
        every("broken_promises", Whole, |past| {
            let broken = |promise: &&Promise| !promise.kept;
            past.decision.journey.promises.iter().filter(broken).count().into()
        }),
        every("contradictions", Whole, |past| past.decision.journey.contradictions.len().into()),
        every("prospect", Flag, |past| past.decision.journey.prospect.into()),
        some("survey_group", Text, |past| {
            past.decision.journey.survey.as_ref().map(|survey| name(&survey.group)).into()
        }),
        every("brief", Words, |past| (&past.decision.journey.brief).into()),
        some("follow_up", Words, |past| past.decision.journey.follow_up.as_ref().into()),
    ]
}

fn made_by() -> Vec<Column<Past>> {
    vec![
        every("degraded", Flag, |past| past.decision.degraded.into()),
        every("model", Text, |past| (&past.decision.versions.model).into()),
        every("policy", Text, |past| (&past.decision.versions.policy).into()),
        every("input_hash", Text, |past| (&past.decision.versions.input).into()),
        every("state_hash", Text, |past| (&past.decision.versions.state).into()),
    ]
}

/// The name on the wire of a label that is written as a text.
pub(super) fn name<T: serde::Serialize>(label: &T) -> String {
    match serde_json::to_value(label) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
