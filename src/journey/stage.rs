//! Stages and which way a change of stage goes.
//!
//! The order is awareness < consideration < retention < purchase < onboarding < support < advocacy. A customer who may
//! leave has fallen back from everything that comes with being a customer (purchase and later), and has come back when
//! they buy, use or recommend again; someone last seen before a purchase who now talks of leaving turns out to be a
//! customer, which is further along.

use super::model::{Contact, Journey, Standing, Transition};
use super::survey;
use crate::nlp::labels::Stage;

/// Changes of stage kept.
pub(super) const HISTORY: usize = 32;

/// Which way it goes from one stage to another; the same when there was none before.
pub(super) fn transition(from: Option<Stage>, to: Stage) -> Transition {
    match from {
        None => Transition::Same,
        Some(from) => match rank(to).cmp(&rank(from)) {
            std::cmp::Ordering::Greater => Transition::Advanced,
            std::cmp::Ordering::Less => Transition::Regressed,
            std::cmp::Ordering::Equal => Transition::Same,
        },
    }
}

fn rank(stage: Stage) -> u8 {
    match stage {
        Stage::Awareness => 0,
        Stage::Consideration => 1,
        Stage::Retention => 2,
        Stage::Purchase => 3,
        Stage::Onboarding => 4,
        Stage::Support => 5,
        Stage::Advocacy => 6,
    }
}

/// Where a contact places the customer, and how sure that is. Who gives high marks recommends, whatever else they say.
pub(super) fn placed(contact: &Contact) -> Option<(Stage, f32)> {
    if survey::recommends(contact) {
        return Some((Stage::Advocacy, 1.0));
    }
    contact.stage.map(|stage| (stage, contact.stage_confidence))
}

/// Whether nothing yet shows that they bought.
pub(super) fn is_prospect(journey: &Journey) -> bool {
    let before = |stage: &Stage| matches!(stage, Stage::Awareness | Stage::Consideration);
    journey.stage.as_ref().is_some_and(before) && journey.stage_history.iter().all(|(_, stage)| before(stage))
}

/// Takes the customer to where the contact places them.
pub(super) fn apply(standing: &mut Standing, contact: &Contact) {
    let Some((stage, confidence)) = placed(contact) else { return };
    standing.stage_confidence = confidence;
    if standing.stage != Some(stage) {
        standing.stage = Some(stage);
        standing.stage_history.push((contact.at, stage));
        let excess = standing.stage_history.len().saturating_sub(HISTORY);
        standing.stage_history.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions() {
        let check = |from: Option<Stage>, to: Stage, expected: Transition| {
            assert_eq!(transition(from, to), expected, "{from:?} to {to:?}");
        };
        check(None, Stage::Support, Transition::Same);
        check(Some(Stage::Awareness), Stage::Consideration, Transition::Advanced);
        check(Some(Stage::Consideration), Stage::Purchase, Transition::Advanced);
        check(Some(Stage::Purchase), Stage::Onboarding, Transition::Advanced);
        check(Some(Stage::Onboarding), Stage::Support, Transition::Advanced);
        check(Some(Stage::Support), Stage::Advocacy, Transition::Advanced);
        check(Some(Stage::Support), Stage::Support, Transition::Same);
        check(Some(Stage::Support), Stage::Retention, Transition::Regressed);
        check(Some(Stage::Advocacy), Stage::Retention, Transition::Regressed);
        check(Some(Stage::Advocacy), Stage::Support, Transition::Regressed);
        check(Some(Stage::Onboarding), Stage::Retention, Transition::Regressed);
        check(Some(Stage::Retention), Stage::Support, Transition::Advanced);
        check(Some(Stage::Retention), Stage::Consideration, Transition::Regressed);
        check(Some(Stage::Consideration), Stage::Retention, Transition::Advanced);
    }

    #[test]
    fn no_two_stages_share_a_rank() {
        let mut ranks: Vec<u8> = Stage::ALL.iter().map(|stage| rank(*stage)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), Stage::ALL.len());
    }
}
