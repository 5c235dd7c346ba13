//! `smista replay --since`: everything decided in a span, page by page, so that a day of any size takes the memory of a page.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use serde::Serialize;
use uuid::Uuid;

use super::{decide_again, differences};
use crate::cli::style::{BAD, DIM, GOOD, WARN, paint};
use crate::cli::{Outcome, setup};
use crate::routing::Decision;
use crate::store::{Order, Span, Walk};
use crate::worker::Pipeline;

/// Decisions that differ told one by one; the rest is only counted.
const FIRST: usize = 10;
/// Decided again at the same time, so that the engine gets batches.
const AT_ONCE: usize = 32;
/// Fields told of one decision, and of all in the text.
const FIELDS: usize = 12;

/// What was found.
#[derive(Debug, Serialize)]
struct Proof {
    /// From here on.
    since: DateTime<Utc>,
    /// Up to here.
    until: DateTime<Utc>,
    /// At hand.
    model: String,
    /// At hand.
    policy: String,
    /// All that were looked at: the sum of those below.
    decisions: u64,
    /// The same again.
    equal: u64,
    /// Another decision.
    different: Different,
    /// Nothing can be said.
    not_provable: NotProvable,
}

#[derive(Debug, Default, Serialize)]
struct Different {
    count: u64,
    /// How many decisions differ in a field.
    fields: BTreeMap<String, u64>,
    /// The first of them.
    first: Vec<One>,
}

#[derive(Debug, Serialize)]
struct One {
    decision_id: Uuid,
    message_id: String,
    fields: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct NotProvable {
    count: u64,
    /// `other_model`, `other_policy`, `other_model_and_policy`, `other_settings`; `gone`: purged or erased meanwhile; `unreadable`;
    /// `failed`.
    reasons: BTreeMap<&'static str, u64>,
    /// Models and policies that made those decisions, and are not at hand.
    versions: BTreeMap<String, u64>,
    /// Why the first of `failed` could not be decided again.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What became of one decision.
enum Verdict {
    Equal,
    Differs(One),
    Other { reason: &'static str, versions: Vec<String> },
    Gone,
    Unreadable,
    Failed(String),
}

/// Proves every decision of the span, as far as it can be.
pub async fn run(
    pipeline: &Pipeline,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    let mut proof = Proof {
        since,
        until,
        model: pipeline.model_version().to_owned(),
        policy: pipeline.policy().current().id(),
        decisions: 0,
        equal: 0,
        different: Different::default(),
        not_provable: NotProvable::default(),
    };
    let mut walk = Walk::new(Arc::clone(pipeline.store()), Span { since, until, order: Order::Time });
    let bar = setup::counter("decisions");
    while let Some(page) = walk.next().await.context("the database stopped answering")? {
        let (model, policy) = (proof.model.clone(), proof.policy.clone());
        let verdicts = futures::stream::iter(page)
            .map(|past| judge(pipeline, &model, &policy, past.decision))
            .buffered(AT_ONCE);
        let mut verdicts = std::pin::pin!(verdicts);
        while let Some(verdict) = verdicts.next().await {
            proof.add(verdict?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for _ in 0..walk.unread().map_or(0, |unread| unread.count) {
        proof.add(Verdict::Unreadable);
    }
    if let Some(unread) = walk.unread() {
        writeln!(anstream::stderr(), "{} {unread}", paint(WARN, "warning:"))?;
    }
    let mut out = anstream::stdout();
    if as_json {
        writeln!(out, "{}", serde_json::to_string(&proof)?)?;
    } else {
        writeln!(out, "{}", proof.text())?;
    }
    if proof.decisions == 0 {
        writeln!(anstream::stderr(), "{} there are no decisions in that span", paint(WARN, "note:"))?;
    }
    let failed = ["failed", "unreadable"].iter().any(|why| proof.not_provable.reasons.contains_key(why));
    Ok(if proof.different.count > 0 || failed { Outcome::Failed } else { Outcome::Done })
}

async fn judge(pipeline: &Pipeline, model: &str, policy: &str, stored: Decision) -> anyhow::Result<Verdict> {
    let versions = &stored.versions;
    let other_settings =
        versions.settings.is_some() && versions.settings.as_ref() != pipeline.settings().as_deref();
    let reason = match (versions.model == model, versions.policy == policy) {
        (true, true) if other_settings => Some("other_settings"),
        (true, true) => None,
        (false, true) => Some("other_model"),
        (true, false) => Some("other_policy"),
        (false, false) => Some("other_model_and_policy"),
    };
    if let Some(reason) = reason {
        let foreign = [(&versions.model, model), (&versions.policy, policy)];
        let foreign = foreign.into_iter().filter(|(then, now)| then != now);
        return Ok(Verdict::Other { reason, versions: foreign.map(|(then, _)| then.clone()).collect() });
    }
    let record = pipeline.store().replay_record(stored.decision_id).await;
    let Some(record) = record.context("the database stopped answering")? else { return Ok(Verdict::Gone) };
    let again = match decide_again(pipeline, &record).await {
        Ok(again) => again,
        Err(error) => return Ok(Verdict::Failed(format!("{error:#}"))),
    };
    if again.degraded && !stored.degraded {
        return Ok(Verdict::Failed("the engine gave no answer, and cues alone prove nothing".to_owned()));
    }
    let fields: Vec<String> =
        differences(&record.decision, &again)?.into_iter().map(|(field, ..)| field).collect();
    if fields.is_empty() {
        return Ok(Verdict::Equal);
    }
    Ok(Verdict::Differs(One { decision_id: stored.decision_id, message_id: stored.message_id, fields }))
}

impl Proof {
    fn add(&mut self, verdict: Verdict) {
        self.decisions += 1;
        let unproved = &mut self.not_provable;
        let reason = match verdict {
            Verdict::Equal => {
                self.equal += 1;
                return;
            }
            Verdict::Differs(mut one) => {
                self.different.count += 1;
                // A place in a list is no field of its own: what counts is the list.
                let fields = one.fields.iter().map(|field| field_of(field));
                let fields: std::collections::BTreeSet<String> = fields.collect();
                for field in fields {
                    *self.different.fields.entry(field).or_default() += 1;
                }
                if self.different.first.len() < FIRST {
                    one.fields.truncate(FIELDS);
                    self.different.first.push(one);
                }
                return;
            }
            Verdict::Other { reason, versions } => {
                for version in versions {
                    *unproved.versions.entry(version).or_default() += 1;
                }
                reason
            }
            Verdict::Gone => "gone",
            Verdict::Unreadable => "unreadable",
            Verdict::Failed(error) => {
                unproved.error.get_or_insert(error);
                "failed"
            }
        };
        unproved.count += 1;
        *unproved.reasons.entry(reason).or_default() += 1;
    }

    fn text(&self) -> String {
        let day = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        let mut lines = vec![
            paint(DIM, &format!("{} … {} UTC", day(self.since), day(self.until))),
            paint(DIM, &format!("model  {}\npolicy {}", self.model, self.policy)),
            format!("{:>9}  decisions", self.decisions),
            format!("{:>9}  {}", self.equal, paint(GOOD, "equal")),
        ];
        let style = if self.different.count > 0 { BAD } else { DIM };
        lines.push(format!("{:>9}  {}", self.different.count, paint(style, "different")));
        let mut fields: Vec<(&String, &u64)> = self.different.fields.iter().collect();
        fields.sort_by_key(|(field, count)| (std::cmp::Reverse(**count), (*field).clone()));
        let untold = fields.len().saturating_sub(FIELDS);
        lines.extend(fields.iter().take(FIELDS).map(|(field, count)| format!("{count:>15}  {field}")));
        if untold > 0 {
            lines.push(format!("{:>17}… and {untold} fields more", ""));
        }
        for one in &self.different.first {
            lines.push(format!("{:>11}{}  {}", "", one.decision_id, paint(DIM, &one.fields.join(", "))));
        }
        let style = if self.not_provable.count > 0 { WARN } else { DIM };
        lines.push(format!("{:>9}  {}", self.not_provable.count, paint(style, "not provable")));
        for (reason, count) in &self.not_provable.reasons {
            lines.push(format!("{count:>15}  {}", told(reason)));
        }
        for (version, count) in &self.not_provable.versions {
            lines.push(paint(DIM, &format!("{count:>19}  by {version}")));
        }
        if let Some(error) = &self.not_provable.error {
            lines.push(format!("{:>17}{error}", ""));
        }
        lines.join("\n")
    }
}

/// The path without places in lists: `reasons.0.text` is `reasons.text`.
fn field_of(path: &str) -> String {
    let is_place = |part: &&str| !part.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').filter(is_place).collect::<Vec<_>>().join(".")
}

fn told(reason: &str) -> &str {
    match reason {
        "other_model" => "made by another model than the one at hand",
        "other_policy" => "made by another policy than the one at hand (--policy names one)",
        "other_model_and_policy" => "made by another model and another policy than those at hand",
        "other_settings" => "made with other settings of journey, persona or languages",
        "unreadable" => "stored, and cannot be read",
        "gone" => "purged or erased while this went on",
        _ => "could not be decided again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_lists_are_no_fields() {
        for (path, expected) in
            [("a", "a"), ("reasons.0.text", "reasons.text"), ("a.12", "a"), ("v.b2", "v.b2")]
        {
            assert_eq!(field_of(path), expected);
        }
    }
}
