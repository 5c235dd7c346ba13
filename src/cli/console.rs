//! `smista console`: the supervisor's web pages, and the accounts that may see them.

mod token;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use super::style::{GOOD, WARN, paint};
use super::{Hinted, Outcome, WrongUse, setup};
use crate::config::Config;
use crate::console::{self, Console, password};
use crate::routing::PolicyHandle;
use crate::store::console::{Account, ConsoleStore, Role};
use crate::store::{self, Order, Span, Walk};

/// Serve the supervisor's console, and keep its accounts.
#[derive(Debug, Clone, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  smista console account add ada --role supervisor\n  smista console\n  smista console index\n\nThe address is console.listen of smista.toml; docs/console.md tells more."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Who may sign in.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Who may call the HTTP API.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Put the decisions made before this version into the review queue; safe to repeat.
    #[command(after_help = "Example:\n  smista console index")]
    Index,
}

#[derive(Debug, Clone, Subcommand)]
#[command(
    after_help = "Examples:\n  smista console account add ada --role supervisor\n  smista console account add bob --role viewer --generate\n  smista console account password ada < new-password.txt"
)]
enum AccountCommand {
    /// Add an account.
    Add {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: Role,
        /// Make a password up and print it once
        #[arg(long)]
        generate: bool,
    },
    /// List the accounts.
    List {
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Let an account sign in no more, and end its sessions.
    Disable {
        /// Its name
        name: String,
    },
    /// Set another password, let the account sign in again, and end its sessions.
    Password {
        /// Its name
        name: String,
        /// Make a password up and print it once
        #[arg(long)]
        generate: bool,
    },
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    let store = setup::console_store(&config).await?;
    match args.command {
        None => serve(config, store).await,
        Some(Command::Index) => index(store).await,
        Some(Command::Token(command)) => token::run(command, store.as_ref()).await,
        Some(Command::Account(command)) => account(command, store.as_ref()).await,
    }
}

async fn serve(config: Config, store: Arc<dyn ConsoleStore>) -> anyhow::Result<Outcome> {
    let stop = CancellationToken::new();
    super::worker::stop_on_signals(&stop)?;
    let nobody = store.accounts().await?.is_empty();
    let public = config.console.public_url.clone();
    let policy = PolicyHandle::new(setup::policy(&config)?);
    let tests = super::policy::tests_beside(config.policy.path.as_deref());
    let console = Console::new(store, config.console, Some(config.broker), policy, tests, stop).context(
        Hinted::new("the sign-in through the provider cannot be set up", "mend console.oidc of smista.toml"),
    )?;
    let (address, serving) = start(console).await?;
    let mut out = anstream::stderr();
    writeln!(out, "{} {}", paint(GOOD, "console:"), public.unwrap_or_else(|| format!("http://{address}")))?;
    if nobody {
        writeln!(out, "nobody can sign in yet: smista console account add NAME --role supervisor")?;
    }
    serving.await.context("the console ended early")?;
    Ok(Outcome::Done)
}

/// Starts the server.
pub async fn start(
    console: Arc<Console>,
) -> anyhow::Result<(std::net::SocketAddr, tokio::task::JoinHandle<()>)> {
    console::serve(console)
        .await
        .context(Hinted::new("the console cannot be served", "set console.listen to a free address"))
}

/// Everything decided so far.
async fn index(store: Arc<dyn ConsoleStore>) -> anyhow::Result<Outcome> {
    let decisions: Arc<dyn store::Store> = store.clone();
    let span = Span { since: DateTime::UNIX_EPOCH, until: Utc::now(), order: Order::Time };
    let mut walk = Walk::new(decisions, span);
    let mut indexed = 0_u64;
    while let Some(page) = walk.next().await? {
        for past in &page {
            store.index(&past.decision, &past.interaction).await?;
            indexed += 1;
        }
    }
    if let Some(unread) = walk.unread() {
        writeln!(anstream::stderr(), "{} {unread}; they are left out", paint(WARN, "warning:"))?;
    }
    writeln!(
        anstream::stderr(),
        "{} {indexed} decisions are in the queue and on the map",
        paint(GOOD, "done:")
    )?;
    Ok(Outcome::Done)
}

async fn account(command: AccountCommand, store: &dyn ConsoleStore) -> anyhow::Result<Outcome> {
    match command {
        AccountCommand::Add { name, role, generate } => {
            if !Account::is_name(&name) {
                return Err(WrongUse(Account::NAME.to_owned()).into());
            }
            if store.account(&name).await?.is_some() {
                return Err(taken(&name));
            }
            let (password, made_up) = new_password(generate)?;
            let account = Account {
                name: name.clone(),
                role,
                password,
                disabled: false,
                language: String::new(),
                created_at: Utc::now(),
            };
            if !store.add_account(&account).await? {
                return Err(taken(&name));
            }
            told(&format!("{name} may sign in as {}", role.as_str()), made_up)
        }
        AccountCommand::List { json } => list(store, json).await,
        AccountCommand::Disable { name } => {
            let mut account = known(store, &name).await?;
            account.disabled = true;
            store.change_account(&account).await?;
            told(&format!("{name} may not sign in any more"), None)
        }
        AccountCommand::Password { name, generate } => {
            let mut account = known(store, &name).await?;
            let (password, made_up) = new_password(generate)?;
            (account.password, account.disabled) = (password, false);
            store.change_account(&account).await?;
            told(&format!("{name} has another password; its sessions are over"), made_up)
        }
    }
}

fn taken(name: &str) -> anyhow::Error {
    let hint = "choose another name, or set its password with `smista console account password`";
    Hinted::new(format!("there is an account {name} already"), hint).into()
}

async fn known(store: &dyn ConsoleStore, name: &str) -> anyhow::Result<Account> {
    let account = store.account(name).await?;
    account.ok_or_else(|| {
        Hinted::new(format!("there is no account {name}"), "`smista console account list` shows them").into()
    })
}

async fn list(store: &dyn ConsoleStore, json: bool) -> anyhow::Result<Outcome> {
    let mut out = anstream::stdout();
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header([
        "account",
        "role",
        "may sign in",
        "by",
        "since",
    ]);
    for account in store.accounts().await? {
        if json {
            let line = serde_json::json!({
                "account": account.name, "role": account.role.as_str(), "disabled": account.disabled,
                "by": if account.is_of_provider() { "provider" } else { "password" },
                "language": account.language, "created_at": account.created_at,
            });
            writeln!(out, "{line}")?;
        } else {
            let may = if account.disabled { "no" } else { "yes" };
            let by = if account.is_of_provider() { "provider" } else { "password" };
            let since = account.created_at.format("%Y-%m-%d").to_string();
            table.add_row([account.name.as_str(), account.role.as_str(), may, by, since.as_str()]);
        }
    }
    if !json {
        writeln!(out, "{table}")?;
    }
    Ok(Outcome::Done)
}

/// The hash of a new password, and the password itself where it was made up.
fn new_password(generate: bool) -> anyhow::Result<(String, Option<String>)> {
    let password = if generate {
        password::token().chars().take(24).collect()
    } else if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("New password: ").context("the password cannot be read")?;
        let again = rpassword::prompt_password("Again: ").context("the password cannot be read")?;
        if password != again {
            return Err(WrongUse("the two passwords differ".to_owned()).into());
        }
        password
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("the password cannot be read")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    let hash = password::hash(&password)
        .context(Hinted::new("that password is not taken", "give another one, or --generate"))?;
    Ok((hash, generate.then_some(password)))
}

fn told(what: &str, made_up: Option<String>) -> anyhow::Result<Outcome> {
    writeln!(anstream::stderr(), "{} {what}", paint(GOOD, "done:"))?;
    if let Some(password) = made_up {
        writeln!(anstream::stderr(), "its password, shown this once:")?;
        writeln!(anstream::stdout(), "{password}")?;
    }
    Ok(Outcome::Done)
}
