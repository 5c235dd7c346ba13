//! The ways in and out by HTTP: intake, webhooks, the bridge to Chatwoot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `gateway`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Address to listen on for interactions.
    pub listen: String,
    /// Requests worked on at the same time, at most; more are asked to come again.
    pub max_requests: usize,
    /// Hours that a message of a hook is tried, counted from when it was decided; then it is parked.
    pub give_up_hours: u32,
    /// Addresses that are told of decisions and events.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// A help desk that sends its messages and gets the decisions.
    pub chatwoot: Option<Chatwoot>,
}

/// An address that is told of decisions and events.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name, part of its queue's.
    pub name: String,
    /// Where to POST to.
    pub url: String,
    /// File with the secret that signs, `whsec_…`; further lines are former secrets that sign too.
    pub secret_file: PathBuf,
    /// Routing keys of decisions, as topic exchanges take them.
    #[serde(default)]
    pub decisions: Vec<String>,
    /// Routing keys of events.
    #[serde(default)]
    pub events: Vec<String>,
}

/// An account of Chatwoot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chatwoot {
    /// The installation, as browsers see it.
    pub url: String,
    /// Number of the account.
    pub account: u64,
    /// File with an access token of an agent or a bot that may see the account's conversations.
    pub token_file: PathBuf,
    /// File with the secret of the webhook that Chatwoot sends to here.
    pub webhook_secret_file: PathBuf,
    /// Whether Chatwoot signs with that secret (from 4.11.2); else the secret is the end of the address.
    #[serde(default = "yes")]
    pub signed: bool,
    /// Numbers of teams by smista's queue.
    #[serde(default)]
    pub teams: BTreeMap<String, u64>,
    /// Labels that smista sets, and takes away again, begin with this; none for no labels.
    #[serde(default = "label_prefix")]
    pub label_prefix: Option<String>,
    /// Whether the priority is set.
    #[serde(default = "yes")]
    pub priority: bool,
    /// Which decisions leave a private note.
    #[serde(default)]
    pub notes: Notes,
}

/// Which decisions leave a private note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notes {
    /// Those that escalate or carry a flag.
    #[default]
    Flagged,
    /// All.
    Always,
    /// None.
    Never,
}

/// The name of the hook that Chatwoot's decisions take.
pub const CHATWOOT: &str = "chatwoot";

fn yes() -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn label_prefix() -> Option<String> {
    Some("smista-".to_owned())
}

/// A queue that the gateway sends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Routing keys of decisions.
    pub decisions: Vec<String>,
    /// Routing keys of events.
    pub events: Vec<String>,
}

impl Gateway {
    /// Every queue that it sends from.
    pub fn hooks(&self) -> Vec<Hook> {
        let webhook = |hook: &Webhook| Hook {
            name: hook.name.clone(),
            decisions: hook.decisions.clone(),
            events: hook.events.clone(),
        };
        let chatwoot = self.chatwoot.as_ref().map(|_| Hook {
            name: CHATWOOT.to_owned(),
            decisions: vec!["#".to_owned()],
            events: Vec::new(),
        });
        self.webhooks.iter().map(webhook).chain(chatwoot).collect()
    }

    /// Every file of secrets, with its key.
    pub fn secret_files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let chatwoot = self.chatwoot.as_mut().map(|one| [&mut one.token_file, &mut one.webhook_secret_file]);
        self.webhooks.iter_mut().map(|hook| &mut hook.secret_file).chain(chatwoot.into_iter().flatten())
    }

    pub(super) fn check(&self, check: &mut impl FnMut(bool, &str)) {
        check(self.max_requests >= 1, "gateway.max_requests must be at least 1");
        check(self.give_up_hours >= 1, "gateway.give_up_hours must be at least 1");
        let mut names = Vec::new();
        for hook in &self.webhooks {
            let is = format!("gateway.webhooks {:?}", hook.name);
            check(
                is_name(&hook.name) && hook.name != CHATWOOT,
                &format!(
                    "{is}: a name has 1 to 40 small letters, digits and hyphens, and is not \"{CHATWOOT}\""
                ),
            );
            check(!names.contains(&&hook.name), &format!("{is}: there are two of that name"));
            names.push(&hook.name);
            check(is_url(&hook.url), &format!("{is}: url must be an http:// or https:// address"));
            check(
                !hook.decisions.is_empty() || !hook.events.is_empty(),
                &format!("{is} asks for nothing: set decisions or events, [\"#\"] for all"),
            );
            for key in hook.decisions.iter().chain(&hook.events) {
                check(
                    is_pattern(key),
                    &format!("{is}: {key:?} is no routing key; write words, * and # joined by dots"),
                );
            }
        }
        if let Some(chatwoot) = &self.chatwoot {
            check(
                is_url(&chatwoot.url),
                "gateway.chatwoot.url must be the http:// or https:// address of the installation",
            );
            check(
                chatwoot.label_prefix.as_deref().is_none_or(is_label_prefix),
                "gateway.chatwoot.label_prefix must have small letters, digits, hyphens and underscores, at least one",
            );
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_label_prefix(prefix: &str) -> bool {
    !prefix.is_empty()
        && prefix.len() <= 40
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

pub(super) fn is_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

fn is_pattern(key: &str) -> bool {
    key.len() <= 255
        && key.split('.').all(|word| {
            ["*", "#"].contains(&word)
                || (!word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
        })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn faults(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smista.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path)).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let hook = |rest: &str| {
            format!(
                "[[gateway.webhooks]]\nname = \"crm\"\nurl = \"https://crm.example/h\"\nsecret_file = \"s\"\n{rest}"
            )
        };
        assert_eq!(faults(&hook("decisions = [\"urgent.#\", \"*.billing.*\"]\nevents = [\"#\"]")), "");
        assert_eq!(
            faults(
                "[gateway.chatwoot]\nurl = \"https://desk.example\"\naccount = 1\ntoken_file = \"t\"\nwebhook_secret_file = \"w\"\nteams = { billing = 3 }"
            ),
            ""
        );
        for (text, expected) in [
            (hook(""), "asks for nothing"),
            (hook("decisions = [\"urgent..x\"]"), "is no routing key"),
            (hook("decisions = [\"#\"]\nretry = 3"), "retry"),
            (hook("decisions = [\"#\"]").replace("crm\"\n", "CRM 1\"\n"), "a name has"),
            (hook("decisions = [\"#\"]").replace("crm\"\n", "chatwoot\"\n"), "a name has"),
            (hook("decisions = [\"#\"]").replace("https://crm", "ftp://crm"), "url must be"),
            (format!("{0}\n{0}", hook("decisions = [\"#\"]")), "two of that name"),
            ("[gateway]\nmax_requests = 0".to_owned(), "max_requests"),
            ("[gateway.chatwoot]\nurl = \"desk\"\naccount = 1\ntoken_file = \"t\"\nwebhook_secret_file = \"w\"".to_owned(), "gateway.chatwoot.url"),
        ] {
            let told = faults(&text);
            assert!(told.contains(expected), "{text}: {told}");
        }
    }
}
