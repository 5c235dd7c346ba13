//! `smista replay`: decides a stored message again and shows whether the same decision comes out (invariant I5).

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::Value;
use uuid::Uuid;

use super::style::{self, paint};
use super::{Hinted, Outcome, setup};
use crate::config::Config;
use crate::routing::Decision;
use crate::store::ReplayRecord;
use crate::worker::Pipeline;

/// Decide a stored message again and compare.
#[derive(Debug, Clone, clap::Args)]
#[command(
    long_about = "Decide a stored message again and compare.\n\n\
        Loads the interaction, the customer's state before it and the decision; decides again with the model and policy \
        of this configuration; prints `equal` or every field that differs. Exit code 1 when it differs.",
    after_help = "Examples:\n  \
        smista replay --decision b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11\n  \
        smista replay --decision b1946ac9-2b1e-5d3f-9c46-0d0f6b3b8f11 --state sqlite:customers.db"
)]
pub struct Args {
    /// The decision's id
    #[arg(long, value_name = "ID")]
    pub decision: Uuid,
    /// Database that holds it [default: store.url of the configuration]
    #[arg(long, value_name = "sqlite:FILE")]
    pub state: Option<String>,
    /// Decide by this policy instead
    #[arg(long, value_name = "FILE")]
    pub policy: Option<std::path::PathBuf>,
}

/// Runs it.
pub async fn run(args: Args, mut config: Config) -> anyhow::Result<Outcome> {
    if let Some(policy) = &args.policy {
        config.policy.path = Some(policy.clone());
    }
    let store = setup::kept(&mut config, args.state.as_deref()).await?;
    let record = store.replay_record(args.decision).await?.ok_or_else(|| {
        Hinted::new(
            format!("there is no decision {} in this database", args.decision),
            "check the id and the database (--state, or store.url in smista.toml); old messages are purged after store.inbox_days",
        )
    })?;
    if record.decision.revision > 1 {
        let first = Decision::id_for(&record.decision.message_id, 1);
        return Err(Hinted::new(
            format!("decision {} was corrected by a person, not made by a policy", args.decision),
            format!("replay what it goes back to: smista replay --decision {first}"),
        )
        .into());
    }
    let pipeline = setup::pipeline(&config, store).await?;
    let again = decide_again(&pipeline, &record).await?;
    report(&record.decision, &again)
}

async fn decide_again(pipeline: &Pipeline, record: &ReplayRecord) -> anyhow::Result<Decision> {
    let understanding =
        pipeline.analyse(&record.interaction).await.context("the message cannot be analysed again")?;
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

fn report(stored: &Decision, again: &Decision) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout();
    if stored.content_hash()? == again.content_hash()? {
        writeln!(out, "{} {} {}", paint(style::GOOD, "equal"), stored.decision_id, stored.content_hash()?)?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "{} {}", paint(style::BAD, "different"), stored.decision_id)?;
    let mut differences = Vec::new();
    differ("", &serde_json::to_value(stored)?, &serde_json::to_value(again)?, &mut differences);
    for (field, before, after) in &differences {
        writeln!(out, "  {field}: {before} → {after}")?;
    }
    let changed = |name: &str| differences.iter().any(|(field, ..)| field == &format!("versions.{name}"));
    let causes: Vec<&str> =
        ["model", "policy", "input", "state"].into_iter().filter(|name| changed(name)).collect();
    let verdict = if causes.is_empty() {
        "Interaction, state, model and policy are the same: this should not happen; please report it."
            .to_owned()
    } else {
        format!("Not the same as then: {}.", causes.join(", "))
    };
    writeln!(anstream::stderr(), "{verdict}")?;
    Ok(Outcome::Failed)
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
