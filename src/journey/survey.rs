//! What marks say (NPS, CSAT, CES, stars): which group they put the customer in, what a bad one is about, and when to ask.

use super::experience;
use super::goals;
use super::model::{Contact, Group, Journey, Survey};
use crate::interaction::{Channel, Ratings};

/// Bounds of each scale: detractor up to, promoter from. CSAT and stars 1…5, CES 1…7, NPS 0…10.
const NPS: (u8, u8) = (6, 9);
const FIVE: (u8, u8) = (2, 5);
const CES: (u8, u8) = (3, 6);

/// The group of a customer's marks, the worst of them; none without marks.
pub(super) fn group(ratings: &Ratings) -> Option<Group> {
    let of = |mark: Option<u8>, (low, high): (u8, u8)| {
        mark.map(|mark| match mark {
            mark if mark <= low => Group::Detractor,
            mark if mark >= high => Group::Promoter,
            _ => Group::Passive,
        })
    };
    [of(ratings.nps, NPS), of(ratings.csat, FIVE), of(ratings.rating, FIVE), of(ratings.ces, CES)]
        .into_iter()
        .flatten()
        .min()
}

/// High marks place a customer among those who recommend; an easy contact (CES) alone does not.
pub(super) fn recommends(contact: &Contact) -> bool {
    let Ratings { nps, csat, rating, .. } = contact.ratings;
    contact.counts()
        && (nps.is_some() || csat.is_some() || rating.is_some())
        && group(&contact.ratings) == Some(Group::Promoter)
        && contact.sentiment >= 0.0
}

/// What the marks of this contact say. The root cause of a bad mark is what its own words name, else the goal still open
/// or closed last before it, else the last problem brought up before it.
pub(super) fn view(journey: &Journey, contact: &Contact, earlier: &[Contact]) -> Option<Survey> {
    let group = group(&contact.ratings).filter(|_| contact.counts())?;
    #[expect(clippy::cast_possible_truncation, reason = "0…100")]
    let rating = experience::shown(experience::rating(&contact.ratings)? as f32);
    let mut survey = Survey { group, rating, root_cause: None, about: None };
    if group != Group::Detractor {
        return Some(survey);
    }
    let wants = |contact: &Contact| {
        let names = contact.intents.iter().map(|intent| intent.name.clone());
        names.filter(|name| goals::is_problem(name) && !goals::is_vague(name)).collect::<Vec<_>>()
    };
    let own = wants(contact).into_iter().next();
    let open =
        journey.open_goals.iter().filter(|goal| goal.since < contact.at).max_by_key(|goal| goal.last_at);
    let closed = journey.closed_goals.iter().filter(|closed| closed.at <= contact.at).max_by_key(|c| c.at);
    let goal = open.or(closed.map(|closed| &closed.goal)).filter(|goal| goals::is_problem(&goal.intent));
    let last = earlier.iter().rev().filter(|earlier| earlier.counts());
    let last = last.filter_map(|earlier| Some((wants(earlier).into_iter().next()?, earlier))).next();
    (survey.root_cause, survey.about) = match (own, goal, last) {
        (Some(own), _, _) => {
            let before = earlier.iter().rev().find(|earlier| wants(earlier).contains(&own));
            (Some(own), before.map(|earlier| earlier.conversation_id.clone()))
        }
        (None, Some(goal), _) => (Some(goal.intent.clone()), Some(goal.conversation_id.clone())),
        (None, None, Some((intent, earlier))) => (Some(intent), Some(earlier.conversation_id.clone())),
        (None, None, None) => (contact.intents.first().map(|intent| intent.name.clone()), None),
    };
    Some(survey)
}

/// Whether a survey may be sent after a contact of this channel: nobody is asked about an answer or in public.
pub(super) fn may_follow(channel: Channel) -> bool {
    !matches!(channel, Channel::Survey | Channel::Review | Channel::Social)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::samples::contact;

    #[test]
    fn groups() {
        let check = |change: fn(&mut Ratings), expected: Option<Group>| {
            let mut ratings = Ratings::default();
            change(&mut ratings);
            assert_eq!(group(&ratings), expected, "{ratings:?}");
        };
        check(|_| (), None);
        check(|r| r.nps = Some(6), Some(Group::Detractor));
        check(|r| r.nps = Some(7), Some(Group::Passive));
        check(|r| r.nps = Some(9), Some(Group::Promoter));
        check(|r| r.csat = Some(2), Some(Group::Detractor));
        check(|r| r.csat = Some(4), Some(Group::Passive));
        check(|r| r.rating = Some(5), Some(Group::Promoter));
        check(|r| r.ces = Some(3), Some(Group::Detractor));
        check(
            |r| {
                r.nps = Some(10);
                r.csat = Some(1);
            },
            Some(Group::Detractor),
        );
    }

    #[test]
    fn who_recommends() {
        let mut happy = contact("1", "a", 0.5);
        happy.ratings.nps = Some(10);
        assert!(recommends(&happy));
        happy.sentiment = -0.5;
        assert!(!recommends(&happy), "high marks with bitter words");
        let mut easy = contact("1", "a", 0.5);
        easy.ratings.ces = Some(7);
        assert!(!recommends(&easy));
    }
}
