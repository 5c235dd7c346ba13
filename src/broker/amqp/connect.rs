//! How to reach the broker: address, TLS, one attempt to connect. The password never leaves this file.

use std::path::Path;
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::ShortString;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};

use crate::broker::BrokerError;
use crate::config;

/// Longest wait for the TCP, TLS and AMQP handshakes together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the answer to one request on an open connection.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Address of the broker with what TLS needs.
#[derive(Clone)]
pub struct Address {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Address {
    /// Reads the files that the configuration names, and checks the address.
    pub fn from_config(config: &config::Broker) -> Result<Self, BrokerError> {
        let text = match &config.url_file {
            Some(path) => read_text(path, "broker.url_file")?,
            None => config.url.clone(),
        };
        let mut uri = parse(text.trim())?;
        // What the address itself says wins.
        uri.query.heartbeat.get_or_insert(config.heartbeat_s);
        uri.query.connection_timeout.get_or_insert(10_000);
        let cert_chain = match &config.tls_ca {
            Some(path) => Some(read_text(path, "broker.tls_ca")?),
            None => None,
        };
        let identity = match &config.tls_identity {
            Some(path) => Some(OwnedIdentity::PKCS12 {
                der: std::fs::read(path).map_err(|error| unreadable(path, "broker.tls_identity", &error))?,
                password: match &config.tls_identity_password_file {
                    Some(path) => read_text(path, "broker.tls_identity_password_file")?
                        .trim_end_matches(['\r', '\n'])
                        .into(),
                    None => String::new(),
                },
            }),
            None => None,
        };
        if uri.scheme == AMQPScheme::AMQP && (cert_chain.is_some() || identity.is_some()) {
            return Err(BrokerError::Config(
                "TLS files are set but the address is amqp://: write amqps://".to_owned(),
            ));
        }
        Ok(Self { uri, tls: OwnedTLSConfig { identity, cert_chain } })
    }

    /// The address without its password, for people.
    pub fn redacted(&self) -> String {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        format!("{scheme}://{}@{}:{}/{vhost}", authority.userinfo.username, authority.host, authority.port)
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// One attempt. The error says what people need to know.
    pub async fn connect(&self, name: &str) -> Result<Connection, String> {
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_client_property("product".into(), "smista".into());
        let runtime = lapin::runtime::default_runtime().map_err(|error| error.to_string())?;
        let attempt =
            Connection::connect_uri_with_config(self.uri.clone(), properties, self.tls.clone(), runtime);
        match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(format!("{} cannot be used: {}", self.redacted(), with_causes(&error))),
            Err(_) => Err(format!("{} does not answer", self.redacted())),
        }
    }
}

/// An error with its causes, where they say something new.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

fn parse(text: &str) -> Result<AMQPUri, BrokerError> {
    // The parser's own messages quote the text, password and all.
    let fault = |what: &str| {
        BrokerError::Config(format!("the address is not amqp[s]://user:password@host:port/vhost: {what}"))
    };
    if !(text.starts_with("amqp://") || text.starts_with("amqps://")) {
        return Err(fault("it must begin with amqp:// or amqps://"));
    }
    // The parser would take an IPv6 address for a missing host and go to localhost.
    let authority = text.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    if authority.rsplit('@').next().is_some_and(|host| host.starts_with('[')) {
        return Err(fault("an IPv6 address is not supported: give a host name"));
    }
    text.parse().map_err(|_| fault("it cannot be read; special characters of the password need %-escapes"))
}

fn read_text(path: &Path, key: &str) -> Result<String, BrokerError> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, key, &error))
}

fn unreadable(path: &Path, key: &str, error: &std::io::Error) -> BrokerError {
    BrokerError::Config(format!("{key}: {} cannot be read: {error}", path.display()))
}

/// AMQP names are at most 255 bytes long.
pub(super) fn short(text: &str) -> Result<ShortString, String> {
    ShortString::try_new(text)
        .map_err(|_| format!("longer than 255 bytes: {}…", text.chars().take(40).collect::<String>()))
}

/// Waits for a reply no longer than [`REPLY_TIMEOUT`].
pub(super) async fn reply<T>(request: impl Future<Output = lapin::Result<T>>) -> lapin::Result<T> {
    tokio::time::timeout(REPLY_TIMEOUT, request)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(url: &str) -> config::Broker {
        let mut config = config::Config::load(None).unwrap().broker;
        config.url = url.to_owned();
        config
    }

    #[test]
    fn the_password_is_never_shown() {
        let address = Address::from_config(&broker("amqp://anna:s3cret@mq.example:5673/prod")).unwrap();
        assert_eq!(address.redacted(), "amqp://anna@mq.example:5673/prod");
        assert!(!format!("{address:?}").contains("s3cret"));
        assert_eq!(address.uri.query.heartbeat, Some(10));
        for bad in
            ["amqp://anna:s3cret@[::1]/x", "http://anna:s3cret@mq/", "amqp://anna:s3cret@mq:port/", "s3cret"]
        {
            let error = Address::from_config(&broker(bad)).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_address_file_wins_and_what_the_address_says_wins_over_the_heartbeat() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "amqps://worker:pw@mq.example/%2f?heartbeat=30\n").unwrap();
        let mut config = broker("amqp://other:pw@elsewhere/%2f");
        config.url_file = Some(file);
        let address = Address::from_config(&config).unwrap();
        assert_eq!(address.redacted(), "amqps://worker@mq.example:5671//");
        assert_eq!(address.uri.query.heartbeat, Some(30));
        config.url_file = Some("/nonexistent/url".into());
        let error = Address::from_config(&config).unwrap_err().to_string();
        assert!(error.contains("broker.url_file") && error.contains("/nonexistent/url"), "{error}");
    }

    #[test]
    fn tls_files_want_a_tls_address() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "").unwrap();
        let mut config = broker("amqp://mq.example/%2f");
        config.tls_ca = Some(file);
        assert!(Address::from_config(&config).is_err());
    }
}
