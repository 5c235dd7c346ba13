//! Secrets of the configuration: read from files, and never shown, neither in debug output nor in the text of an error.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Broker, ConfigError, Interaction, Store, Webhook};

/// Keys whose values are not to be seen; of an address only the password is hidden.
const HIDDEN: [&str; 2] = ["url", "identity_key"];

/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads a secret: the file's text without the line's end.
pub fn read(path: &Path, key: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Invalid(format!("{key}: {} cannot be read: {error}", named(path))))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(ConfigError::Invalid(format!("{key}: {} is empty", named(path))));
    }
    Ok(secret.to_owned())
}

/// A path to show. What looks like none may be the secret itself, put where the name of its file belongs: shown are
/// paths that begin as such, and names of a few small letters like `amqp-url`.
pub fn named(path: &Path) -> String {
    let text = path.display().to_string();
    let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start)) && !text.contains('@');
    let is_name = text.len() <= 40
        && text.contains(['-', '_', '.'])
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_.".contains(&byte));
    if is_path || is_name {
        text
    } else {
        "what stands there (a path beginning with / or ./ would be shown)".to_owned()
    }
}

/// Where a file of secrets or keys is: as it stands when absolute, else among the service's credentials, else beside the
/// configuration file, else in the current folder.
pub fn place(path: &mut PathBuf, base: Option<&Path>) {
    let credentials = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    if let Some(found) = find(path, [credentials.as_deref(), base]) {
        *path = found;
    }
}

fn find(path: &Path, folders: [Option<&Path>; 2]) -> Option<PathBuf> {
    if path.is_absolute() {
        return None;
    }
    folders.into_iter().flatten().map(|folder| folder.join(path)).find(|file| file.is_file())
}

/// What is wrong, without the value where that may be a secret.
pub(super) fn told(error: figment::Error) -> String {
    use figment::error::{Actual, Kind};
    let tell = |error: figment::Error| {
        let key = error.path.join(".");
        let hidden = error.path.last().is_some_and(|last| HIDDEN.contains(&last.as_str()));
        let from_environment =
            error.metadata.as_ref().is_some_and(|source| source.name.contains("environment"));
        match &error.kind {
            Kind::InvalidType(Actual::Str(_), expected) | Kind::InvalidValue(Actual::Str(_), expected)
                if from_environment && !hidden =>
            {
                format!(
                    "{key}: expected {expected}; what stands in the environment is not that, and not shown"
                )
            }
            Kind::UnknownVariant(_, known) if from_environment => {
                format!("{key} must be one of {}, also in the environment", known.join(", "))
            }
            Kind::InvalidType(..) | Kind::InvalidValue(..) if hidden => {
                format!("{key} must be a text: write it in quotes, also in the environment")
            }
            _ => error.to_string(),
        }
    };
    error.into_iter().map(tell).collect::<Vec<_>>().join("; ")
}

/// Finds out about a syntax error before figment does, which quotes the line.
pub(super) fn check_syntax(path: &Path) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    text.parse::<toml::Table>().map(drop).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start.min(text.len()));
        let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        ConfigError::Invalid(format!("{}, line {line}: {}", path.display(), error.message()))
    })
}

/// An address without its password.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // A path of SQLite, or nothing that could be shown safely.
        return if url.starts_with("sqlite:") { url.to_owned() } else { "…".to_owned() };
    };
    let (rest, query) = match rest.split_once('?') {
        // A password may hold a question mark of its own.
        Some((_, after)) if after.contains('@') => (rest, after),
        Some(parts) => parts,
        None => (rest, ""),
    };
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            format!("{scheme}://{user}{}@{host}", if password.is_empty() { "" } else { ":…" })
        }
        None => format!("{scheme}://{rest}"),
    };
    if query.contains("password") { format!("{shown}?…") } else { shown }
}

/// All fields by name, secrets hidden.
fn shown(name: &str, settings: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(settings) else { return f.write_str(name) };
    for (key, value) in &mut fields {
        if let Value::String(text) = value
            && HIDDEN.contains(&key.as_str())
        {
            *text = if key == "url" { redacted(text) } else { "…".to_owned() };
        }
    }
    f.debug_struct(name).field("fields", &Value::Object(fields)).finish()
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown("Broker", self, f)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown("Store", self, f)
    }
}

impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown("Interaction", self, f)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown("Webhook", self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn addresses_lose_their_password_and_nothing_else() {
        let check = |url: &str, expected: &str| assert_eq!(redacted(url), expected);
        check("amqp://anna:pw@mq:5672/%2f", "amqp://anna:…@mq:5672/%2f");
        check("amqp://anna:p@w@mq/x", "amqp://anna:…@mq/x");
        check("postgres://anna@db/x", "postgres://anna@db/x");
        check("postgres://db/x?password=pw&user=anna", "postgres://db/x?…");
        check("postgres://db/x?sslmode=require", "postgres://db/x");
        check("sqlite:smista.db", "sqlite:smista.db");
        check("anna:pw@mq", "…");
        check("postgres://anna:Hush?q@db/x", "postgres://anna:…@db/x");
    }

    #[test]
    fn what_stands_where_a_file_belongs_is_shown_only_as_a_path() {
        let told = |path: &str| read(Path::new(path), "store.url_file").unwrap_err().to_string();
        assert!(told("/no/such/file").contains("/no/such/file"));
        assert!(told("./gone").contains("./gone"));
        assert!(told("amqp-url").contains("amqp-url"));
        for secret in ["postgres://anna:hush@db/x", "hush", "hush-4711", "hush-Hush", "/hush@db"] {
            let told = told(secret);
            assert!(!told.contains("hush") && told.contains("store.url_file"), "{told}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let mut config = Config::load(None).unwrap();
        config.broker.url = "amqp://anna:hush@mq/".to_owned();
        config.store.url = "postgres://anna:hush@db/x".to_owned();
        config.interaction.identity_key = "hush".to_owned();
        let text = format!("{config:?} {config:#?}");
        assert!(!text.contains("hush") && text.contains("anna") && text.contains("prefetch"), "{text}");
    }

    #[test]
    fn errors_hold_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("smista.toml");
        for (text, expected) in [
            ("[interaction]\nidentity_key = 4711\n", "identity_key must be a text"),
            ("[broker]\nurl = 4711\n", "broker.url must be a text"),
            ("[broker]\n\nurl = \"amqp://a:4711@mq\n", "line 3"),
            ("[store]\nurl = { password = \"4711\" }\n", "store.url must be a text"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::load(Some(&file)).unwrap_err().to_string();
            assert!(!error.contains("4711") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_secret_is_a_files_text_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, " pass word\r\n").unwrap();
        assert_eq!(read(&file, "k").unwrap(), " pass word");
        std::fs::write(&file, "\n").unwrap();
        assert!(read(&file, "k").unwrap_err().to_string().contains("is empty"));
        let error = read(Path::new("/nonexistent/secret"), "broker.password_file").unwrap_err().to_string();
        assert!(error.contains("broker.password_file: /nonexistent/secret cannot be read"), "{error}");
    }

    #[test]
    fn files_are_looked_for_among_the_credentials_first() {
        let (credentials, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = Path::new("url-of-this-test");
        let look = || find(name, [Some(credentials.path()), Some(base.path())]);
        assert_eq!(look(), None);
        std::fs::write(base.path().join(name), "").unwrap();
        assert_eq!(look(), Some(base.path().join(name)));
        std::fs::write(credentials.path().join(name), "").unwrap();
        assert_eq!(look(), Some(credentials.path().join(name)));
    }
}
