//! The fold. Contacts are kept in order of `(at, message_id)` and added up from the start at every message, so a late one
//! takes its place in time and the end is the same whatever order they came in. Past the bound the oldest are added up
//! once and for all into [`Base`]; a contact from before it is counted, and changes nothing else.
//!
//! What an auto-reply, an agent or a bot writes moves no stage and no score; an agent's words promise and may close.

use chrono::{DateTime, Utc};

use super::model::{
    Base, Change, ChurnRisk, Contact, ContactView, Experience, GoalView, Journey, JourneyView, OpenGoal,
    Outcome, RepeatContact, StageView, Standing,
};
use super::{brief, churn, experience, goals, promises, repeat, stage};
use crate::nlp::understanding::GoalKind;

/// Earlier contacts shown in a decision, the latest.
const CONTACTS_SHOWN: usize = 10;

/// What of the configuration the fold depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldSettings {
    /// Contacts kept per customer, at least 1.
    pub max_contacts: usize,
    /// Days within which the same problem is a repeat.
    pub repeat_days: u16,
    /// Dot product from which two messages are about the same problem.
    pub repeat_similarity: f32,
    /// Days after which half of an experience is forgotten.
    pub experience_half_life_days: f32,
}

impl From<&crate::config::Journey> for FoldSettings {
    fn from(config: &crate::config::Journey) -> Self {
        Self {
            max_contacts: config.max_contacts,
            repeat_days: config.repeat_days,
            repeat_similarity: config.repeat_similarity,
            experience_half_life_days: config.experience_half_life_days,
        }
    }
}

/// What one contact makes of a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The journey after.
    pub journey: Journey,
    /// What the decision shows.
    pub view: JourneyView,
    /// What changed, to be published as events.
    pub changes: Vec<Change>,
    /// Where the customer stands now.
    pub stage: Option<StageView>,
    /// What the message was after, and whether it still is open.
    pub goal: Option<GoalView>,
}

/// Folds a contact into a journey. A message that is there already changes nothing.
pub fn fold(prior: &Journey, contact: Contact, settings: &FoldSettings) -> Folded {
    let journey = insert(prior, &contact, settings);
    let at = journey.contacts.partition_point(|other| key(other) < key(&contact));
    let earlier = journey.contacts.get(..at).unwrap_or_default();
    let repeat = repeat::find(earlier, &contact, settings);
    let made = promises::list(&journey.contacts, settings);
    let churn_risk = churn::risk(&journey, settings);
    let stage = stage_view(prior, &journey, &contact);
    let goal = goal_view(prior, &journey, &contact);
    let changes = if known(prior, &contact) {
        Vec::new()
    } else {
        changes(
            prior,
            &journey,
            &contact,
            &Facts { earlier, repeat: &repeat, made: &made, churn: &churn_risk },
            settings,
        )
    };
    let follow_up = follow_up(&contact, &made);
    let mut view = JourneyView {
        contacts: shown(earlier),
        repeat_contact: repeat,
        experience: Experience {
            score: experience::shown(current_experience(&journey)),
            previous: prior.as_of.map(|_| experience::shown(prior.experience)),
        },
        sentiment_trend: experience::trend(journey.contacts.iter().filter(|contact| contact.counts())),
        effort: journey.effort,
        open_goals: journey.open_goals.clone(),
        churn_risk,
        promises: made.iter().map(|made| made.promise.clone()).collect(),
        brief: String::new(),
        follow_up,
    };
    view.brief = brief::write(&brief::Facts {
        journey: &journey,
        contact: &contact,
        earlier,
        made: &made,
        view: &view,
    });
    Folded { journey, view, changes, stage, goal }
}

impl Journey {
    /// The last contact of a conversation, if it is still kept: its decision is the one that a new decision of the
    /// conversation supersedes.
    pub fn last_of(&self, conversation_id: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| contact.conversation_id == conversation_id)
    }
}

pub(super) fn key(contact: &Contact) -> (DateTime<Utc>, &str) {
    (contact.at, &contact.message_id)
}

fn known(journey: &Journey, contact: &Contact) -> bool {
    journey.contacts.iter().any(|other| other.message_id == contact.message_id)
}

fn insert(prior: &Journey, contact: &Contact, settings: &FoldSettings) -> Journey {
    if known(prior, contact) {
        return prior.clone();
    }
    let mut journey = prior.clone();
    journey.total_contacts += 1;
    let too_late =
        journey.base.as_ref().is_some_and(|base| key(contact) <= (base.through.0, base.through.1.as_str()));
    if too_late {
        return journey;
    }
    let at = journey.contacts.partition_point(|other| key(other) < key(contact));
    journey.contacts.insert(at, contact.clone());
    added_up(journey, settings)
}

/// The journey of these contacts: what is past the bound goes into the base, the rest is added up from there.
pub(super) fn added_up(mut journey: Journey, settings: &FoldSettings) -> Journey {
    let excess = journey.contacts.len().saturating_sub(settings.max_contacts.max(1));
    for dropped in journey.contacts.drain(..excess).collect::<Vec<_>>() {
        let Base { mut standing, contacts, .. } = journey.base.take().map(|base| *base).unwrap_or_default();
        step(&mut standing, &dropped, settings);
        let through = (dropped.at, dropped.message_id);
        journey.base = Some(Box::new(Base { through, contacts: contacts + 1, standing }));
    }
    let mut standing = journey.base.as_ref().map(|base| base.standing.clone()).unwrap_or_default();
    for contact in &journey.contacts {
        step(&mut standing, contact, settings);
    }
    journey.stage = standing.stage;
    journey.stage_confidence = standing.stage_confidence;
    journey.stage_history = standing.stage_history;
    journey.experience = standing.experience;
    journey.effort = standing.effort;
    journey.as_of = standing.as_of;
    journey.open_goals = standing.open_goals;
    journey
}

/// Adds one contact up. Depends on nothing but the standing and the contact, so that dropping old contacts into the
/// base changes no result.
pub(super) fn step(standing: &mut Standing, contact: &Contact, settings: &FoldSettings) {
    if contact.counts() {
        experience::apply(standing, contact, settings.experience_half_life_days);
        stage::apply(standing, contact);
        standing.as_of = Some(contact.at);
    }
    goals::apply(&mut standing.open_goals, contact, settings);
}

#[expect(clippy::cast_possible_truncation, reason = "the baseline is a small whole number")]
fn current_experience(journey: &Journey) -> f32 {
    if journey.as_of.is_some() { journey.experience } else { experience::BASELINE as f32 }
}

fn stage_view(prior: &Journey, journey: &Journey, contact: &Contact) -> Option<StageView> {
    let name = journey.stage?;
    let own = contact.counts() && contact.stage == Some(name);
    let confidence = if own { contact.stage_confidence } else { journey.stage_confidence };
    Some(StageView {
        name,
        confidence,
        previous: prior.stage,
        transition: stage::transition(prior.stage, name),
    })
}

fn goal_view(prior: &Journey, journey: &Journey, contact: &Contact) -> Option<GoalView> {
    if !contact.counts() {
        return None;
    }
    let open = goals::concerning(&journey.open_goals, contact);
    let closed = || goals::concerning(&prior.open_goals, contact).filter(|_| goals::closes(contact));
    let kind = goals::wanted(contact).or_else(|| closed().map(|goal| goal.kind))?;
    if kind == GoalKind::Praise {
        return Some(GoalView { kind, open: false, since: contact.at });
    }
    let view = match (open, closed()) {
        _ if contact.outcome != Outcome::None || goals::closes(contact) => {
            GoalView { kind, open: false, since: closed().map_or(contact.at, |goal| goal.since) }
        }
        (Some(goal), _) => GoalView { kind, open: true, since: goal.since },
        (None, _) => GoalView { kind, open: true, since: contact.at },
    };
    Some(view)
}

fn shown(earlier: &[Contact]) -> Vec<ContactView> {
    let counting: Vec<&Contact> = earlier.iter().filter(|contact| contact.counts()).collect();
    counting
        .iter()
        .skip(counting.len().saturating_sub(CONTACTS_SHOWN))
        .map(|contact| ContactView {
            conversation_id: contact.conversation_id.clone(),
            channel: contact.channel,
            at: contact.at,
            intent: contact.intents.first().map(|intent| intent.name.clone()),
            sentiment: contact.sentiment,
        })
        .collect()
}

struct Facts<'a> {
    earlier: &'a [Contact],
    repeat: &'a RepeatContact,
    made: &'a [promises::Made],
    churn: &'a ChurnRisk,
}

fn changes(
    prior: &Journey,
    journey: &Journey,
    contact: &Contact,
    facts: &Facts<'_>,
    settings: &FoldSettings,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(to) = journey.stage
        && prior.stage != Some(to)
    {
        let transition = stage::transition(prior.stage, to);
        changes.push(Change::StageChanged { from: prior.stage, to, transition });
    }
    let before = churn::risk(prior, settings).level;
    if before != facts.churn.level {
        changes.push(Change::ChurnRiskChanged { from: before, to: facts.churn.level });
    }
    let lacks = |goals: &[OpenGoal], goal: &OpenGoal| {
        !goals.iter().any(|other| other.intent == goal.intent && other.since == goal.since)
    };
    let opened = journey.open_goals.iter().filter(|goal| lacks(&prior.open_goals, goal));
    changes.extend(opened.map(|goal| Change::GoalOpened { goal: goal.clone() }));
    let closed = prior.open_goals.iter().filter(|goal| lacks(&journey.open_goals, goal));
    changes.extend(closed.map(|goal| Change::GoalClosed { goal: goal.clone() }));
    let said_before = facts.earlier.iter().enumerate().any(|(index, other)| {
        other.conversation_id == contact.conversation_id
            && repeat::find(facts.earlier.get(..index).unwrap_or_default(), other, settings).is_repeat
    });
    if facts.repeat.is_repeat && !said_before {
        changes.push(Change::RepeatContact { of: facts.repeat.of.clone(), days: facts.repeat.days });
    }
    let promised = !contact.promises.is_empty();
    if (promised || low_score(contact))
        && let Some(what) = follow_up(contact, facts.made)
    {
        changes.push(Change::FollowUpDue { what });
    }
    changes
}

/// A promise that is still to be kept, the most pressing one; else a bad score to ask about.
fn follow_up(contact: &Contact, made: &[promises::Made]) -> Option<String> {
    let pending = made
        .iter()
        .filter(|made| made.promise.kept && made.promise.at <= contact.at && contact.at <= made.due)
        .min_by_key(|made| made.due);
    match pending {
        Some(made) => Some(brief::promise_to_keep(&contact.language, made, contact.at)),
        None => low_score(contact).then(|| brief::low_score(&contact.language)),
    }
}

/// A detractor by the usual bounds: NPS up to 6, two of five, three of seven.
fn low_score(contact: &Contact) -> bool {
    let ratings = &contact.ratings;
    let within = |score: Option<u8>, most: u8| score.is_some_and(|score| score <= most);
    contact.counts()
        && (within(ratings.nps, 6)
            || within(ratings.csat, 2)
            || within(ratings.rating, 2)
            || within(ratings.ces, 3))
}
