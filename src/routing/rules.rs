//! A policy for people to read: its rules with what they do.

use super::compile::{Effects, Policy};

/// A rule as it stands in the policy.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Line in the file, from 1.
    pub line: usize,
    /// The condition.
    pub when: &'a str,
    /// What it does.
    pub effects: &'a Effects,
    /// Shown to people.
    pub reason: Option<&'a str>,
}

impl Policy {
    /// The rules, in order.
    pub fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        self.rules.iter().map(|rule| Listed {
            name: &rule.name,
            line: rule.line,
            when: &rule.text,
            effects: &rule.effects,
            reason: rule.reason.as_deref(),
        })
    }
}

impl Effects {
    /// In a few words, as the policy file has them.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.priority.map(|level| format!("priority {}", level.as_str())));
        parts.extend(self.escalate.then(|| "escalate".to_owned()));
        parts.extend(self.action.map(|action| format!("action {}", action.as_str())));
        parts.extend(self.queue.as_ref().map(|queue| format!("queue {queue}")));
        let lists =
            [("skills", &self.skills), ("flag", &self.flags), ("tag", &self.tags), ("event", &self.events)];
        let said = lists.iter().filter(|(_, words)| !words.is_empty());
        parts.extend(said.map(|(name, words)| format!("{name} {}", words.join(" "))));
        parts.extend(self.stop.then(|| "stop".to_owned()));
        parts.join(", ")
    }
}
