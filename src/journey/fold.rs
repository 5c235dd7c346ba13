//! The fold. Contacts are kept in order of `(at, message_id)`. One that comes in time is added to what those before it add
//! up to; a late one takes its place and all are added up again, so the end is the same whatever order they came in. Past the bound the oldest are added up
//! once and for all into [`Base`]; a contact from before it is counted, and changes nothing else.
//!
//! What an auto-reply, an agent or a bot writes moves no stage and no score; an agent's words promise and may close.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::changes::{self, Facts};
use super::experience::days_between;
use super::goals::Goals;
use super::model::{
    Base, Change, Contact, ContactView, Experience, GoalView, Input, Journey, JourneyView, Outcome,
    StageView, Standing,
};
use super::{brief, churn, experience, goals, promises, repeat, stage, statements, survey};
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
    /// Days within which a customer is asked for marks at most once.
    pub survey_days: u16,
    /// Where days begin and end.
    pub zone: Tz,
}

impl From<&crate::config::Journey> for FoldSettings {
    fn from(config: &crate::config::Journey) -> Self {
        Self {
            max_contacts: config.max_contacts,
            repeat_days: config.repeat_days,
            repeat_similarity: config.repeat_similarity,
            experience_half_life_days: config.experience_half_life_days,
            survey_days: config.survey_days,
            // Another name was refused when the configuration was read.
            zone: config.time_zone.parse().unwrap_or(Tz::UTC),
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
    let mut journey = insert(prior, &contact, settings);
    let at = journey.contacts.partition_point(|other| key(other) < key(&contact));
    let earlier = journey.contacts.get(..at).unwrap_or_default();
    let repeat = repeat::find(earlier, journey.base.as_deref(), &contact, settings);
    let made = promises::list(&journey.contacts, settings);
    let churn_risk = churn::risk(&journey, settings);
    let stage = stage_view(prior, &journey, &contact);
    let goal = goal_view(prior, &journey, &contact);
    let contradictions: Vec<_> = statements::contradictions(&journey.contacts, settings)
        .into_iter()
        .filter(|found| days_between(found.second.at, contact.at) <= f64::from(settings.repeat_days))
        .collect();
    let survey = survey::view(&journey, &contact, earlier);
    let facts = Facts {
        prior,
        journey: &journey,
        contact: &contact,
        earlier,
        repeat: &repeat,
        made: &made,
        churn: &churn_risk,
        contradictions: &contradictions,
        survey: survey.as_ref(),
        zone: settings.zone,
    };
    let follow_up = changes::follow_up(&facts).map(|(what, _)| what);
    let changes = if known(prior, &contact) { Vec::new() } else { changes::between(&facts, settings) };
    let inputs = if contact.counts() { inputs(prior, &journey, at, &contact, settings) } else { Vec::new() };
    let mut view = JourneyView {
        contacts: shown(earlier),
        repeat_contact: repeat,
        experience: Experience {
            score: experience::shown(current_experience(&journey)),
            previous: prior.as_of.map(|_| experience::shown(prior.experience)),
            inputs,
        },
        sentiment_trend: experience::trend(journey.contacts.iter().filter(|contact| contact.counts())),
        effort: journey.effort,
        open_goals: journey.open_goals.clone(),
        churn_risk,
        promises: made.iter().map(|made| made.promise.clone()).collect(),
        brief: String::new(),
        follow_up,
        prospect: stage::is_prospect(&journey),
        contradictions,
        survey,
        tone: Vec::new(),
    };
    view.brief = brief::write(&brief::Facts {
        journey: &journey,
        contact: &contact,
        earlier,
        made: &made,
        view: &view,
        zone: settings.zone,
    });
    if changes.iter().any(|change| matches!(change, Change::SurveyDue { .. })) {
        journey.survey_due_at = Some(contact.at);
    }
    Folded { journey, view, changes, stage, goal }
}

impl Journey {
    /// The last contact of a conversation, if it is still kept: its decision is the one that a new decision of the
    /// conversation supersedes.
    pub fn last_of(&self, conversation_id: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| contact.conversation_id == conversation_id)
    }
}

impl Journey {
    /// What the contacts so far add up to.
    fn standing(&self) -> Standing {
        Standing {
            stage: self.stage,
            stage_confidence: self.stage_confidence,
            stage_history: self.stage_history.clone(),
            experience: self.experience,
            effort: self.effort,
            as_of: self.as_of,
            open_goals: self.open_goals.clone(),
            closed_goals: self.closed_goals.clone(),
        }
    }

    fn stand(&mut self, standing: Standing) {
        self.stage = standing.stage;
        self.stage_confidence = standing.stage_confidence;
        self.stage_history = standing.stage_history;
        self.experience = standing.experience;
        self.effort = standing.effort;
        self.as_of = standing.as_of;
        self.open_goals = standing.open_goals;
        self.closed_goals = standing.closed_goals;
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
    if at < journey.contacts.len() {
        journey.contacts.insert(at, contact.clone());
        return added_up(journey, settings);
    }
    let mut standing = journey.standing();
    step(&mut standing, contact, settings);
    journey.contacts.push(contact.clone());
    dropped(&mut journey, settings);
    journey.stand(standing);
    journey
}

/// The journey of these contacts: what is past the bound goes into the base, the rest is added up from there.
pub(super) fn added_up(mut journey: Journey, settings: &FoldSettings) -> Journey {
    dropped(&mut journey, settings);
    let mut standing = journey.base.as_ref().map(|base| base.standing.clone()).unwrap_or_default();
    for contact in &journey.contacts {
        step(&mut standing, contact, settings);
    }
    journey.stand(standing);
    journey
}

/// Puts what is past the bound into the base.
fn dropped(journey: &mut Journey, settings: &FoldSettings) {
    let excess = journey.contacts.len().saturating_sub(settings.max_contacts.max(1));
    for dropped in journey.contacts.drain(..excess) {
        let Base { mut standing, contacts, .. } = journey.base.take().map(|base| *base).unwrap_or_default();
        step(&mut standing, &dropped, settings);
        let through = (dropped.at, dropped.message_id);
        journey.base = Some(Box::new(Base { through, contacts: contacts + 1, standing }));
    }
}

/// What the score of a contact is made of: the standing it came to is that of before, or of a late one added up once
/// more.
fn inputs(
    prior: &Journey,
    journey: &Journey,
    at: usize,
    contact: &Contact,
    settings: &FoldSettings,
) -> Vec<Input> {
    let came_last = journey.contacts.last().is_some_and(|last| last.message_id == contact.message_id);
    let standing = if came_last && !known(prior, contact) {
        prior.standing()
    } else {
        let mut standing = journey.base.as_ref().map(|base| base.standing.clone()).unwrap_or_default();
        for earlier in journey.contacts.get(..at).unwrap_or_default() {
            step(&mut standing, earlier, settings);
        }
        standing
    };
    experience::inputs(&standing, contact, settings.experience_half_life_days)
}

/// Adds one contact up. Depends on nothing but the standing and the contact, so that dropping old contacts into the
/// base changes no result.
pub(super) fn step(standing: &mut Standing, contact: &Contact, settings: &FoldSettings) {
    if contact.counts() {
        experience::apply(standing, contact, settings.experience_half_life_days);
        stage::apply(standing, contact);
        standing.as_of = Some(contact.at);
    }
    let Standing { open_goals: open, closed_goals: closed, .. } = standing;
    goals::apply(&mut Goals { open, closed }, contact, settings);
}

#[expect(clippy::cast_possible_truncation, reason = "the baseline is a small whole number")]
fn current_experience(journey: &Journey) -> f32 {
    if journey.as_of.is_some() { journey.experience } else { experience::BASELINE as f32 }
}

fn stage_view(prior: &Journey, journey: &Journey, contact: &Contact) -> Option<StageView> {
    let name = journey.stage?;
    let own = stage::placed(contact).filter(|(own, _)| contact.counts() && *own == name);
    let confidence = own.map_or(journey.stage_confidence, |(_, confidence)| confidence);
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
    // An answer to a survey wants nothing of its own.
    if contact.is_survey() && open.is_none() {
        return None;
    }
    // Something ended, and something else was brought up with it.
    if let Some(goal) = open.filter(|goal| goal.last_at == contact.at && contact.outcome == Outcome::Resolved)
    {
        return Some(GoalView { kind: goal.kind, open: true, since: goal.since });
    }
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
