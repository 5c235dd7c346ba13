//! `smista replay`: decides stored messages again and shows whether the same decisions come out (invariant I5).

mod span;

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::since::Since;
use super::style::{self, paint};
use super::{Hinted, Outcome, setup};
use crate::config::Config;
use crate::routing::Decision;
use crate::store::{ReplayRecord, Store};
use crate::worker::Pipeline;

/// Decide stored messages again and compare.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Decide stored messages again and compare.\n\n\
        Loads interaction, the customer's state before it and decision; decides again with the model, the policy and the \
        journey settings of this configuration. With --decision it prints `equal` or every field that differs. With \
        --since it goes through everything decided in a span and counts: equal, different (in which fields, the first ten), \
        and not provable, because another model or policy or other settings made the decision. What is compared is all but the time of \
        decision and the words shown as explanation. Exit code 1 when one differs.",
    after_help = "Examples:\n  \
        smista replay --decision b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11\n  \
        smista replay --decision b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11 --state sqlite:customers.db\n  \
        smista replay --since 1d\n  \
        smista replay --since 2026-05-14 --until 2026-05-15 --json | jq .different.first\n  \
        smista replay --since 7d --policy policy/last-week.toml"
)]
pub struct Args {
    /// One decision, by its id
    #[arg(long, value_name = "ID", required_unless_present = "since", conflicts_with_all = ["since", "until"])]
    pub decision: Option<Uuid>,
    /// Everything decided since: 24h, 30d, 4w, a day such as 2026-05-14, or a moment
    #[arg(long, value_name = "SINCE")]
    pub since: Option<Since>,
    /// Up to here, itself left out [default: now]
    #[arg(long, value_name = "UNTIL", requires = "since")]
    pub until: Option<Since>,
    /// Database that holds it [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// Decide by this policy instead
    #[arg(long, value_name = "FILE")]
    pub policy: Option<std::path::PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    if let Some(policy) = &args.policy {
        config.policy.path = Some(policy.clone());
    }
    let span = args.since.map(|since| since.span(args.until)).transpose()?;
    let store = setup::kept(&mut config, args.state.as_deref()).await?;
    if let Some((since, until)) = span {
        let pipeline = setup::pipeline(&config, store).await?;
        return span::run(&pipeline, since, until, args.json).await;
    }
    let id = args.decision.unwrap_or_default();
    let record = record(store.as_ref(), id).await?;
    let pipeline = setup::pipeline(&config, store).await?;
    let again = decide_again(&pipeline, &record).await?;
    report(&record.decision, &again, args.json)
}

async fn record(store: &dyn Store, id: Uuid) -> anyhow::Result<ReplayRecord> {
    let record = store.replay_record(id).await?.ok_or_else(|| {
        Hinted::new(
            format!("there is no decision {id} in this database"),
            "check the id and the database (--state, or store.url in smista.toml); old messages are purged after store.inbox_days",
        )
    })?;
    if record.decision.revision > 1 {
        let first = Decision::id_for(&record.decision.message_id, 1);
        return Err(Hinted::new(
            format!("decision {id} was corrected by a person, not made by a policy"),
            format!("replay what it goes back to: smista replay --decision {first}"),
        )
        .into());
    }
    Ok(record)
}

/// Decides again what was decided; by cues alone what was decided so.
async fn decide_again(pipeline: &Pipeline, record: &ReplayRecord) -> anyhow::Result<Decision> {
    let understanding = if record.decision.degraded {
        pipeline.analyse_cues_only(&record.interaction)
    } else {
        pipeline.analyse(&record.interaction).await.context("the message cannot be analysed again")?
    };
    let composed = pipeline
        .compose(
            &record.interaction,
            &understanding,
            &record.before,
            &record.customer,
            record.decision.decided_at,
        )
        .await
        .context("the message cannot be decided again")?;
    Ok(composed.decision)
}

/// A field that differs: its path, as stored, as decided again.
type Difference = (String, String, String);

/// What differs of that which is reproducible.
fn differences(stored: &Decision, again: &Decision) -> anyhow::Result<Vec<Difference>> {
    let mut found = Vec::new();
    let mut again = again.clone();
    if stored.versions.settings.is_none() {
        // From before decisions named them.
        again.versions.settings = None;
    }
    differ("", &stored.reproducible()?, &again.reproducible()?, &mut found);
    Ok(found)
}

fn report(stored: &Decision, again: &Decision, as_json: bool) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout();
    let differences = differences(stored, again)?;
    let outcome = if differences.is_empty() { Outcome::Done } else { Outcome::Failed };
    if as_json {
        let fields = differences
            .iter()
            .map(|(field, before, after)| json!({ "field": field, "stored": before, "again": after }));
        let fields: Vec<Value> = fields.collect();
        let equal = outcome == Outcome::Done;
        writeln!(out, "{}", json!({ "decision_id": stored.decision_id, "equal": equal, "fields": fields }))?;
        return Ok(outcome);
    }
    if outcome == Outcome::Done {
        writeln!(out, "{} {} {}", paint(style::GOOD, "equal"), stored.decision_id, stored.content_hash()?)?;
        return Ok(outcome);
    }
    writeln!(out, "{} {}", paint(style::BAD, "different"), stored.decision_id)?;
    for (field, before, after) in &differences {
        writeln!(out, "  {field}: {before} → {after}")?;
    }
    let changed = |name: &str| differences.iter().any(|(field, ..)| field == &format!("versions.{name}"));
    let causes: Vec<&str> =
        ["model", "policy", "input", "state", "settings"].into_iter().filter(|name| changed(name)).collect();
    let verdict = if causes.is_empty() {
        "Interaction, state, model, policy and settings are the same: the decision was changed in the database, or this is a \
         fault of the program; please report it if it is."
            .to_owned()
    } else {
        format!("Not the same as then: {}.", causes.join(", "))
    };
    writeln!(anstream::stderr(), "{verdict}")?;
    Ok(outcome)
}

/// Every leaf that differs, by its path.
fn differ(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, String, String)>) {
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let of =
                    |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or(Value::Null);
                differ(&inside(key), &of(before), &of(after), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                differ(&inside(&at.to_string()), before, after, found);
            }
        }
        _ if before == after => {}
        _ => found.push((path.to_owned(), before.to_string(), after.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expected: &[(&str, &str, &str)]) {
        let mut found = Vec::new();
        differ("", &before, &after, &mut found);
        let found: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|(field, before, after)| (field.as_str(), before.as_str(), after.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn differences_are_named_by_their_path() {
        check(json!({"a": 1}), json!({"a": 1}), &[]);
        check(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3, "c": 2}}), &[("a.b", "1", "3")]);
        check(json!({"a": [1, 2]}), json!({"a": [1, 3]}), &[("a.1", "2", "3")]);
        check(json!({"a": [1]}), json!({"a": []}), &[("a", "[1]", "[]")]);
        check(json!({}), json!({"new": true}), &[("new", "null", "true")]);
    }
}
