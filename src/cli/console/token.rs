//! `smista console token`: who may call the HTTP API.

use std::io::Write as _;

use chrono::Utc;
use clap::Subcommand;

use super::super::style::{GOOD, paint};
use super::super::{Hinted, Outcome, WrongUse};
use crate::console::{api, password};
use crate::store::console::{Account, ConsoleStore, Scope, Token};

#[derive(Debug, Clone, Subcommand)]
#[command(
    after_help = "Examples:\n  smista console token add dashboard --scope read\n  smista console token add crm --scope read --scope review\n  smista console token revoke crm"
)]
pub(super) enum TokenCommand {
    /// Make a token and print it once; the store keeps only its hash.
    Add {
        /// Its name
        name: String,
        /// What it is allowed; may be given several times
        #[arg(long, value_enum, required = true)]
        scope: Vec<Scope>,
    },
    /// List the tokens.
    List {
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Let a token call no more.
    Revoke {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(command: TokenCommand, store: &dyn ConsoleStore) -> anyhow::Result<Outcome> {
    match command {
        TokenCommand::Add { name, mut scope } => {
            if !Account::is_name(&name) {
                return Err(WrongUse(Account::NAME.to_owned()).into());
            }
            scope.sort_unstable();
            scope.dedup();
            let secret = format!("{}{}", api::PREFIX, password::token());
            let token = Token { name: name.clone(), scopes: scope, created_at: Utc::now(), used_at: None };
            if !store.add_token(&password::digest(&secret), &token).await? {
                let hint = "choose another name, or take it back with `smista console token revoke`";
                return Err(Hinted::new(format!("there is a token {name} already"), hint).into());
            }
            let mut err = anstream::stderr();
            writeln!(err, "{} {name} may {}", paint(GOOD, "done:"), names(&token.scopes))?;
            writeln!(err, "its token, shown this once:")?;
            writeln!(anstream::stdout(), "{secret}")?;
        }
        TokenCommand::List { json } => list(store, json).await?,
        TokenCommand::Revoke { name } => {
            if !store.revoke_token(&name).await? {
                let hint = "`smista console token list` shows them";
                return Err(Hinted::new(format!("there is no token {name}"), hint).into());
            }
            writeln!(anstream::stderr(), "{} {name} may call no more", paint(GOOD, "done:"))?;
        }
    }
    Ok(Outcome::Done)
}

fn names(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

async fn list(store: &dyn ConsoleStore, json: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["token", "may", "since", "last used"]);
    for token in store.tokens().await? {
        if json {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
            let line = serde_json::json!({
                "token": token.name, "scopes": scopes, "created_at": token.created_at, "used_at": token.used_at,
            });
            writeln!(out, "{line}")?;
        } else {
            let day = |at: chrono::DateTime<Utc>| at.format("%Y-%m-%d").to_string();
            let used = token.used_at.map_or_else(|| "never".to_owned(), day);
            table.add_row([token.name, names(&token.scopes), day(token.created_at), used]);
        }
    }
    if !json {
        writeln!(out, "{table}")?;
    }
    Ok(())
}
