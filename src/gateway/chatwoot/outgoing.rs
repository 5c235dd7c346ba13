//! A decision becomes labels, priority, team and a private note of its conversation. Each can be done again with the same
//! result; a note that may be there already is looked for first.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::hook::{Failure, FailureKind, Target};
use super::super::{GatewayError, client};
use super::note;
use crate::broker::amqp::tap::Letter;
use crate::config::{self, Notes};
use crate::routing::Decision;
use crate::routing::decision::{Action, Level};

/// An account of Chatwoot.
pub(in crate::gateway) struct Desk {
    http: reqwest::Client,
    /// `https://…/api/v1/accounts/1/conversations/`
    base: String,
    /// What ids of its conversations begin with.
    prefix: String,
    token: String,
    teams: BTreeMap<String, u64>,
    label_prefix: Option<String>,
    priority: bool,
    notes: Notes,
}

impl Desk {
    pub fn new(config: &config::Chatwoot) -> Result<Self, GatewayError> {
        let url = config.url.trim_end_matches('/');
        Ok(Self {
            http: client()?,
            base: format!("{url}/api/v1/accounts/{}/conversations/", config.account),
            prefix: format!("chatwoot-{}-", config.account),
            token: config::secret::read(&config.token_file, "gateway.chatwoot.token_file")?,
            teams: config.teams.clone(),
            label_prefix: config.label_prefix.clone(),
            priority: config.priority,
            notes: config.notes,
        })
    }

    /// The number of the conversation at Chatwoot; none for what came another way.
    fn conversation<'a>(&self, decision: &'a Decision) -> Option<&'a str> {
        let number = decision.conversation_id.strip_prefix(&self.prefix)?;
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    }

    fn url(&self, conversation: &str, what: &str) -> String {
        format!("{}{conversation}/{what}", self.base)
    }

    async fn get(&self, conversation: &str, what: &str) -> Result<Value, Failure> {
        let request = self.http.get(self.url(conversation, what)).header("api_access_token", &self.token);
        let answer = Failure::unless_taken(request.send().await)?;
        answer.json().await.map_err(|_| Failure {
            class: "hook_away",
            error: "the answer is not JSON; is gateway.chatwoot.url right?".to_owned(),
            kind: FailureKind::Away,
            retry_after: None,
        })
    }

    async fn post(&self, conversation: &str, what: &str, body: &Value) -> Result<(), Failure> {
        let request = self.http.post(self.url(conversation, what)).header("api_access_token", &self.token);
        Failure::unless_taken(request.json(body).send().await).map(|_| ())
    }

    /// The labels that are not smista's stay; Chatwoot's call replaces all of them.
    async fn label(&self, conversation: &str, prefix: &str, decision: &Decision) -> Result<(), Failure> {
        let found = self.get(conversation, "labels").await?;
        let there: Vec<&str> =
            found["payload"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut labels: Vec<String> = there
            .iter()
            .filter(|label| !label.starts_with(prefix))
            .map(|label| (*label).to_owned())
            .collect();
        labels.extend(note::labels(prefix, decision));
        let same = labels.len() == there.len() && labels.iter().all(|label| there.contains(&label.as_str()));
        if same { Ok(()) } else { self.post(conversation, "labels", &json!({ "labels": labels })).await }
    }

    async fn note(&self, conversation: &str, decision: &Decision, maybe_there: bool) -> Result<(), Failure> {
        let wanted = match self.notes {
            Notes::Always => true,
            Notes::Never => false,
            Notes::Flagged => decision.route.action == Action::Escalate || !decision.flags.is_empty(),
        };
        if !wanted || (maybe_there && self.has_note(conversation, decision).await?) {
            return Ok(());
        }
        let body = json!({ "content": note::note(decision), "message_type": "outgoing", "private": true });
        self.post(conversation, "messages", &body).await
    }

    async fn has_note(&self, conversation: &str, decision: &Decision) -> Result<bool, Failure> {
        let signature = note::signature(decision);
        let found = self.get(conversation, "messages").await?;
        let mut messages = found["payload"].as_array().into_iter().flatten();
        Ok(messages.any(|message| {
            message["private"] == true
                && message["content"].as_str().is_some_and(|content| content.contains(&signature))
        }))
    }
}

#[async_trait]
impl Target for Desk {
    async fn deliver(&self, letter: &Letter, again: bool) -> Result<(), Failure> {
        let decision: Decision = serde_json::from_slice(&letter.body)
            .map_err(|_| Failure::unreadable("it is not a decision of this version"))?;
        let Some(conversation) = self.conversation(&decision) else { return Ok(()) };
        if let Some(prefix) = &self.label_prefix {
            self.label(conversation, prefix, &decision).await?;
        }
        if self.priority {
            let body = json!({ "priority": priority(decision.priority.level) });
            self.post(conversation, "toggle_priority", &body).await?;
        }
        let team = decision.route.queue.as_ref().and_then(|queue| self.teams.get(queue));
        if let Some(team) = team {
            self.post(conversation, "assignments", &json!({ "team_id": team })).await?;
        }
        self.note(conversation, &decision, again).await
    }
}

/// Chatwoot's word.
fn priority(level: Level) -> &'static str {
    match level {
        Level::Low => "low",
        Level::Normal => "medium",
        Level::High => "high",
        Level::Urgent => "urgent",
    }
}
