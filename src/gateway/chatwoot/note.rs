//! What an agent reads beside the conversation, and the labels that say it in short.

use crate::routing::Decision;
use crate::routing::decision::Action;

/// The private note, in Markdown, in the customer's language where that is Italian, else in English.
pub(super) fn note(decision: &Decision) -> String {
    let italian = decision.analysis.language.code == "it";
    let say = |english: &'static str, words: &'static str| if italian { words } else { english };
    let queue = decision.route.queue.as_deref().unwrap_or("-");
    let mut lines = vec![format!(
        "**{}: {}** · {} {}",
        say("Priority", "Priorità"),
        decision.priority.level.as_str(),
        say("queue", "coda"),
        queue
    )];
    if let Some(due) = decision.route.sla_due_at {
        let by = say("Answer by", "Risposta entro");
        lines.push(format!("{by} {} UTC", due.format("%Y-%m-%d %H:%M")));
    }
    for reason in &decision.reasons {
        lines.push(format!("- {}", reason.text));
    }
    let brief = decision.journey.brief.as_str();
    if !brief.is_empty() {
        lines.push(String::new());
        lines.push(brief.to_owned());
    }
    lines.push(String::new());
    lines.push(signature(decision));
    lines.join("\n")
}

/// By which a note that is there already is known.
pub(super) fn signature(decision: &Decision) -> String {
    format!("smista {}", decision.decision_id)
}

/// The labels: letters of the kind that Chatwoot takes, the prefix first.
pub(super) fn labels(prefix: &str, decision: &Decision) -> Vec<String> {
    let analysis = &decision.analysis;
    let mut names: Vec<String> = Vec::new();
    names.extend(analysis.intents.first().map(|intent| intent.name.clone()));
    names.extend(analysis.stage.as_ref().map(|stage| stage.name.as_str().to_owned()));
    names.push(analysis.sentiment.label.as_str().to_owned());
    if decision.route.action == Action::Escalate {
        names.push("escalate".to_owned());
    }
    names.extend(decision.flags.iter().cloned());
    let mut labels: Vec<String> = names.iter().map(|name| format!("{prefix}{}", slug(name))).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

fn slug(name: &str) -> String {
    let letter = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    name.to_lowercase().chars().map(letter).collect()
}
