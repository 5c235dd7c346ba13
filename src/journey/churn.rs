//! Will the customer leave? Reasons are counted over the customer's recent contacts:
//!
//! | points | reason |
//! |---|---|
//! | 5 | the customer says so (`churn`), cancels the subscription, closes the account |
//! | 2 | a legal threat; the stage is retention |
//! | 1 each | the same problem again, a broken promise, contradicting answers, an experience below 40, asking for a return or a refund, disputing a bill, complaining |
//!
//! Two points make the risk medium, five high. Contacts count for as many days as a contact counts as a repeat, and
//! only those after the last good one (praise, advocacy, a renewal): a customer who was won back starts afresh.

use super::experience::days_between;
use super::fold::FoldSettings;
use super::model::{ChurnRisk, Contact, Journey, RiskLevel};
use super::{promises, repeat, statements};
use crate::nlp::labels::{SignalKind, Stage};

const SAID_SO: u32 = 5;
const POOR_EXPERIENCE: f32 = 40.0;
const MEDIUM: u32 = 2;
const HIGH: u32 = 5;
const PLEASED: f32 = 0.3;

/// The risk as of the journey's last counting contact.
pub(super) fn risk(journey: &Journey, settings: &FoldSettings) -> ChurnRisk {
    let Some(now) = journey.as_of else { return ChurnRisk::default() };
    let mut points = 0;
    let mut reasons: Vec<String> = Vec::new();
    let mut add = |reason: &str, worth: u32| {
        if !reasons.iter().any(|known| known == reason) {
            reasons.push(reason.to_owned());
            points += worth;
        }
    };
    let mut repeated = false;
    let since = journey.contacts.iter().rposition(won_back).map_or(0, |index| index + 1);
    for (index, contact) in journey.contacts.iter().enumerate().skip(since) {
        if !contact.counts() || days_between(contact.at, now) > f64::from(settings.repeat_days) {
            continue;
        }
        for signal in &contact.signals {
            match signal {
                SignalKind::Churn => add("churn", SAID_SO),
                SignalKind::LegalThreat => add("legal_threat", 2),
                SignalKind::Contradiction => add("contradiction", 1),
                _ => (),
            }
        }
        // The dearest question, and the answer counts once.
        if !repeated {
            let earlier = journey.contacts.get(..index).unwrap_or_default();
            repeated = repeat::find(earlier, journey.base.as_deref(), contact, settings).is_repeat;
            if repeated {
                add("repeat_contact", 1);
            }
        }
        for intent in &contact.intents {
            match intent.name.as_str() {
                name @ ("subscription.cancel" | "account.close") => add(name, SAID_SO),
                name @ ("return.request" | "refund.request" | "billing.dispute" | "complaint") => {
                    add(name, 1)
                }
                _ => (),
            }
        }
    }
    let told_differently = statements::contradictions(&journey.contacts, settings)
        .iter()
        .any(|found| days_between(found.second.at, now) <= f64::from(settings.repeat_days));
    if told_differently {
        add("contradiction", 1);
    }
    let recent_promise_broken = promises::list(&journey.contacts, settings).iter().any(|made| {
        !made.promise.kept && days_between(made.promise.at, now) <= f64::from(settings.repeat_days)
    });
    if recent_promise_broken {
        add("broken_promise", 1);
    }
    if journey.stage == Some(Stage::Retention) {
        add("retention", 2);
    }
    if journey.experience < POOR_EXPERIENCE {
        add("poor_experience", 1);
    }
    let level = match points {
        HIGH.. => RiskLevel::High,
        MEDIUM.. => RiskLevel::Medium,
        _ => RiskLevel::Low,
    };
    ChurnRisk { level, reasons }
}

fn won_back(contact: &Contact) -> bool {
    contact.counts()
        && contact.sentiment >= PLEASED
        && (contact.stage == Some(Stage::Advocacy)
            || contact.signals.contains(&SignalKind::Praise)
            || contact
                .intents
                .iter()
                .any(|intent| matches!(intent.name.as_str(), "praise" | "subscription.renew")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::fold::fold;
    use crate::journey::samples::{about, settings};

    fn check(what: &str, contacts: &[Contact], level: RiskLevel, reasons: &[&str]) {
        let journey = contacts.iter().fold(Journey::default(), |journey, contact| {
            fold(&journey, contact.clone(), &settings()).journey
        });
        let risk = risk(&journey, &settings());
        assert_eq!(
            (risk.level, risk.reasons.iter().map(String::as_str).collect::<Vec<_>>()),
            (level, reasons.to_vec()),
            "{what}"
        );
    }

    #[test]
    fn levels_and_reasons() {
        use RiskLevel::{High, Low, Medium};
        let with = |mut contact: Contact, change: fn(&mut Contact)| {
            change(&mut contact);
            contact
        };
        let question = about("1", "a", "policy.question", 0.0);
        check("a question", std::slice::from_ref(&question), Low, &[]);
        check("one refund", &[about("1", "a", "refund.request", 0.0)], Low, &["refund.request"]);
        check("says so", &[with(question.clone(), |c| c.signals.push(SignalKind::Churn))], High, &["churn"]);
        check("cancels", &[about("1", "a", "subscription.cancel", 0.0)], High, &["subscription.cancel"]);
        check(
            "a lawyer",
            &[with(question.clone(), |c| c.signals.push(SignalKind::LegalThreat))],
            Medium,
            &["legal_threat"],
        );
        check(
            "asks for a better price",
            &[with(question.clone(), |c| c.stage = Some(Stage::Retention))],
            Medium,
            &["retention"],
        );
        check(
            "the same return again",
            &[about("1", "a", "return.request", 0.0), about("2", "b", "return.request", 2.0)],
            Medium,
            &["return.request", "repeat_contact"],
        );
        let leaving = with(question.clone(), |c| c.signals.push(SignalKind::Churn));
        check("two months on", &[leaving.clone(), about("2", "b", "policy.question", 60.0)], Low, &[]);
        let praise = with(about("2", "b", "praise", 1.0), |c| c.sentiment = 0.9);
        check("won back", &[leaving.clone(), praise], Low, &[]);
        check("written by a machine", &[with(leaving, |c| c.auto_reply = true)], Low, &[]);
        let mut promised = about("1", "a", "technical.problem", 0.0);
        promised.promises.push("We will call you tomorrow".to_owned());
        let furious = with(about("2", "b", "technical.problem", 4.0), |c| {
            c.sentiment = -1.0;
            c.effort = 1.0
        });
        check(
            "several things",
            &[promised, furious],
            Medium,
            &["repeat_contact", "broken_promise", "poor_experience"],
        );
    }
}
