//! `smista database`: bring the schema up to date as its owner, and show the roles that need less.

use std::io::Write as _;

use clap::Subcommand;

use super::style::{GOOD, paint};
use super::{Hinted, Outcome, setup};
use crate::config::Config;
use crate::store;

/// Bring the database's schema up to date, or show the PostgreSQL roles to make.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  SMISTA_STORE__URL_FILE=/run/secrets/owner-url smista database apply\n  smista database roles | psql mydb"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Run what migrations are left; safe to run again. Needs the owner of the tables.
    #[command(
        after_help = "Example:\n  SMISTA_STORE__URL_FILE=/run/secrets/owner-url smista database apply\n\nA worker does the same when it starts, if its user may; with the roles of `smista database roles` it may not."
    )]
    Apply,
    /// Print SQL that makes an owner, who may change the schema, and a worker, who may not.
    #[command(
        after_help = "Examples:\n  smista database roles\n  smista database roles --name acme | psql mydb\n\nRun the output as a superuser, before `smista database apply` or after it; it is safe to repeat."
    )]
    Roles {
        /// What the names of the roles begin with
        #[arg(long, value_name = "NAME", default_value = "smista")]
        name: String,
    },
}

/// Runs it.
pub async fn run(args: Args, config: Config) -> anyhow::Result<Outcome> {
    match args.command {
        Command::Apply => apply(&config).await,
        Command::Roles { name } => {
            write!(anstream::stdout(), "{}", roles(&name))?;
            Ok(Outcome::Done)
        }
    }
}

async fn apply(config: &Config) -> anyhow::Result<Outcome> {
    let store = setup::store(config).await?;
    store.ping().await.map_err(|error| {
        Hinted::new(error.to_string(), "the schema is there, but this user may not read it")
    })?;
    let address = store::redacted_address(&config.store).await?;
    writeln!(anstream::stderr(), "{} the schema of {address} is up to date", paint(GOOD, "done:"))?;
    Ok(Outcome::Done)
}

/// A name as PostgreSQL quotes it, inside a literal too.
fn roles(name: &str) -> String {
    let owner = format!("\"{}_owner\"", name.replace('"', "\"\""));
    let worker = format!("\"{}_worker\"", name.replace('"', "\"\""));
    let make = |role: &str| {
        let literal = role.trim_matches('"').replace("\"\"", "\"").replace('\'', "''");
        format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{literal}') \
             THEN CREATE ROLE {role} LOGIN; END IF; END $$;\n"
        )
    };
    format!(
        "-- Give each a password with \\password, or let it log in by certificate.\n\
         {}{}\
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
         GRANT USAGE, CREATE ON SCHEMA public TO {owner};\n\
         GRANT USAGE ON SCHEMA public TO {worker};\n\
         -- What the owner makes, now and later: rows may come and go, tables stay as they are.\n\
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public \
         GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {worker};\n\
         DO $$ BEGIN IF to_regclass('public._sqlx_migrations') IS NOT NULL THEN\n  \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {worker};\n  \
         REVOKE INSERT, UPDATE, DELETE ON public._sqlx_migrations FROM {worker};\n\
         END IF; END $$;\n",
        make(&owner),
        make(&worker),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let sql = roles("o'hara\"x");
        assert!(sql.contains("CREATE ROLE \"o'hara\"\"x_owner\" LOGIN"), "{sql}");
        assert!(sql.contains("rolname = 'o''hara\"x_owner'"), "{sql}");
        assert!(!roles("smista").contains("TRUNCATE"));
    }
}
