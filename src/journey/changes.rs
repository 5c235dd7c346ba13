//! What one contact changes, as events: the state before and after are compared, and what is to be done is named.

use chrono_tz::Tz;

use super::experience::days_between;
use super::fold::{FoldSettings, key};
use super::model::{
    Change, ChurnRisk, Closing, Contact, Contradiction, Group, Journey, OpenGoal, RepeatContact, RiskLevel,
    Survey, Task, Transition,
};
use super::{brief, churn, promises, repeat, stage, survey};
use crate::nlp::labels::Stage;

/// What changes are found in.
pub(super) struct Facts<'a> {
    pub prior: &'a Journey,
    pub journey: &'a Journey,
    pub contact: &'a Contact,
    pub earlier: &'a [Contact],
    pub repeat: &'a RepeatContact,
    pub made: &'a [promises::Made],
    pub churn: &'a ChurnRisk,
    pub contradictions: &'a [Contradiction],
    pub survey: Option<&'a Survey>,
    pub zone: Tz,
}

/// The events of a contact that is new.
pub(super) fn between(facts: &Facts<'_>, settings: &FoldSettings) -> Vec<Change> {
    let mut changes = Vec::new();
    standing(facts, settings, &mut changes);
    let ended_well = goals(facts, &mut changes);
    repeated(facts, settings, &mut changes);
    for found in facts.contradictions {
        if found.first.message_id == facts.contact.message_id
            || found.second.message_id == facts.contact.message_id
        {
            changes.push(Change::ContradictionFound { contradiction: found.clone() });
        }
    }
    let Facts { contact, prior, survey, .. } = facts;
    let promised = !contact.promises.is_empty();
    let marked = survey.is_some_and(|survey| survey.group != Group::Passive);
    if (promised || marked)
        && let Some((what, kind)) = follow_up(facts)
    {
        let root_cause = survey.and_then(|survey| survey.root_cause.clone());
        changes.push(Change::FollowUpDue { what, kind, root_cause });
    }
    if survey::recommends(contact)
        && prior.stage != Some(Stage::Advocacy)
        && let Some(survey) = survey
    {
        changes.push(Change::ThankYouDue { rating: survey.rating });
    }
    if let Some(goal) = ended_well
        && may_ask(facts, settings)
    {
        let conversation_id = contact.conversation_id.clone();
        changes.push(Change::SurveyDue { conversation_id, intent: goal.intent });
    }
    changes
}

/// Stage and churn risk.
fn standing(facts: &Facts<'_>, settings: &FoldSettings, changes: &mut Vec<Change>) {
    let Facts { prior, journey, churn, .. } = facts;
    let mut slipped = false;
    if let Some(to) = journey.stage
        && prior.stage != Some(to)
    {
        let transition = stage::transition(prior.stage, to);
        slipped = to == Stage::Retention && transition == Transition::Regressed;
        changes.push(Change::StageChanged { from: prior.stage, to, transition });
    }
    let before = churn::risk(prior, settings).level;
    if before != churn.level {
        changes.push(Change::ChurnRiskChanged { from: before, to: churn.level });
        slipped |= churn.level == RiskLevel::High;
    }
    if slipped {
        changes.push(Change::RetentionDue { reasons: churn.reasons.clone() });
    }
}

/// Goals opened and closed; the one that this contact brought to a good end.
fn goals(facts: &Facts<'_>, changes: &mut Vec<Change>) -> Option<OpenGoal> {
    let Facts { prior, journey, contact, .. } = facts;
    let lacks = |goals: &[OpenGoal], goal: &OpenGoal| {
        !goals.iter().any(|other| other.intent == goal.intent && other.since == goal.since)
    };
    let opened = journey.open_goals.iter().filter(|goal| lacks(&prior.open_goals, goal));
    changes.extend(opened.map(|goal| Change::GoalOpened { goal: goal.clone() }));
    let mut ended_well = None;
    for goal in prior.open_goals.iter().filter(|goal| lacks(&journey.open_goals, goal)) {
        let closed = journey
            .closed_goals
            .iter()
            .rfind(|closed| closed.goal.intent == goal.intent && closed.goal.since == goal.since);
        let how = closed.map_or(Closing::Silence, |closed| closed.how);
        if how == Closing::Met && closed.is_some_and(|closed| closed.at == contact.at) {
            ended_well = Some(goal.clone());
        }
        changes.push(Change::GoalClosed { goal: goal.clone(), how });
    }
    ended_well
}

fn repeated(facts: &Facts<'_>, settings: &FoldSettings, changes: &mut Vec<Change>) {
    let Facts { contact, earlier, repeat, journey, .. } = facts;
    let base = journey.base.as_deref();
    let said_before = earlier.iter().enumerate().any(|(index, other)| {
        other.conversation_id == contact.conversation_id
            && repeat::find(earlier.get(..index).unwrap_or_default(), base, other, settings).is_repeat
    });
    if repeat.is_repeat && !said_before {
        let RepeatContact { of, count, days, .. } = (*repeat).clone();
        changes.push(Change::RepeatContact { of, count, days });
    }
}

/// A customer is asked once in a while, after the latest contact, not after one that came late.
fn may_ask(facts: &Facts<'_>, settings: &FoldSettings) -> bool {
    let Facts { prior, contact, .. } = facts;
    let latest = prior.contacts.last().is_none_or(|last| key(last) < key(contact));
    let asked =
        prior.survey_due_at.is_some_and(|at| days_between(at, contact.at) < f64::from(settings.survey_days));
    latest && !asked && survey::may_follow(contact.channel)
}

/// A promise that is still to be kept, the most pressing one; else what marks ask for.
pub(super) fn follow_up(facts: &Facts<'_>) -> Option<(String, Task)> {
    let Facts { contact, made, survey, .. } = facts;
    let language = brief::language(contact, facts.earlier);
    if let Some(survey) = survey {
        match survey.group {
            Group::Detractor => {
                return Some((brief::low_score(language, survey.root_cause.as_deref()), Task::Recovery));
            }
            Group::Promoter if survey::recommends(contact) => {
                return Some((brief::high_score(language), Task::ThankYou));
            }
            _ => (),
        }
    }
    let pending = made
        .iter()
        .filter(|made| made.promise.kept && made.promise.at <= contact.at && contact.at <= made.due)
        .min_by_key(|made| made.due);
    pending.map(|made| (brief::promise_to_keep(language, made, contact.at, facts.zone), Task::Promise))
}
