//! How to reach the broker: address, TLS, one attempt to connect. Passwords and keys never leave this file.

use std::path::Path;
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::ShortString;
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use lapin::{Connection, ConnectionProperties};

use super::fault::ConnectFault;
use crate::broker::BrokerError;
use crate::config::{self, BrokerAuth};

/// Longest wait for the TCP, TLS and AMQP handshakes together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a connection over TLS that was reset is tried again at once, and after what pause.
const RESETS: u32 = 4;
const RESET_PAUSE: Duration = Duration::from_millis(100);

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
            Some(path) => secret(path, "broker.url_file")?,
            None => config.url.clone(),
        };
        let mut uri = parse(text.trim())?;
        if let Some(path) = &config.password_file {
            uri.authority.userinfo.password = secret(path, "broker.password_file")?;
        }
        if config.auth == BrokerAuth::Certificate {
            uri.query.auth_mechanism = Some(SASLMechanism::External);
        }
        // What the address itself says wins.
        uri.query.heartbeat.get_or_insert(config.heartbeat_s);
        uri.query.connection_timeout.get_or_insert(10_000);
        let cert_chain = match &config.tls_ca {
            Some(path) => Some(pem(path, "broker.tls_ca", "CERTIFICATE")?),
            None => None,
        };
        let identity = identity(config)?;
        if uri.scheme == AMQPScheme::AMQP && (cert_chain.is_some() || identity.is_some()) {
            return Err(BrokerError::Config(
                "TLS files are set but the address is amqp://: write amqps://".to_owned(),
            ));
        }
        let external = uri.query.auth_mechanism == Some(SASLMechanism::External);
        if external && identity.is_none() {
            return Err(BrokerError::Config(
                "logging in by certificate needs broker.tls_certificate with tls_key, or tls_identity"
                    .to_owned(),
            ));
        }
        Ok(Self { uri, tls: OwnedTLSConfig { identity, cert_chain } })
    }

    /// The address without its password, for people.
    pub fn redacted(&self) -> String {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        let user = match self.uri.query.auth_mechanism {
            Some(SASLMechanism::External) => "(certificate)",
            _ => &authority.userinfo.username,
        };
        format!("{scheme}://{user}@{}:{}/{vhost}", authority.host, authority.port)
    }

    /// Whether a password goes over a network in the clear.
    pub fn is_exposed(&self) -> bool {
        let host = self.uri.authority.host.as_str();
        let here = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.uri.scheme == AMQPScheme::AMQP && !here
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// One attempt. The error says what people need to know.
    ///
    /// A broker that refuses the client certificate says so after the client believes the handshake done (TLS 1.3), and
    /// closes; what the client has sent by then can reset the connection before the reason is read. Such a reset is
    /// tried again, a few times, for the reason's sake.
    pub async fn connect(&self, name: &str) -> Result<Connection, ConnectFault> {
        let mut resets = 0;
        loop {
            match self.connect_once(name).await {
                Err(fault) if self.is_tls() && fault.is_reset() && resets < RESETS => resets += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(RESET_PAUSE).await;
        }
    }

    fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    async fn connect_once(&self, name: &str) -> Result<Connection, ConnectFault> {
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_client_property("product".into(), "smista".into());
        let fault =
            |error: &lapin::Error| ConnectFault::new(self.redacted(), self.vhost(), &with_causes(error));
        let runtime = lapin::runtime::default_runtime().map_err(|error| fault(&error))?;
        let attempt =
            Connection::connect_uri_with_config(self.uri.clone(), properties, self.tls.clone(), runtime);
        match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(fault(&error)),
            Err(_) => Err(ConnectFault::silent(self.redacted())),
        }
    }
}

fn identity(config: &config::Broker) -> Result<Option<OwnedIdentity>, BrokerError> {
    if let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) {
        return Ok(Some(OwnedIdentity::PKCS8 {
            pem: pem(certificate, "broker.tls_certificate", "CERTIFICATE")?.into_bytes(),
            key: pem(key, "broker.tls_key", "PRIVATE KEY")?.into_bytes(),
        }));
    }
    let Some(path) = &config.tls_identity else { return Ok(None) };
    let der = std::fs::read(path).map_err(|error| {
        BrokerError::Config(format!("broker.tls_identity: {} cannot be read: {error}", path.display()))
    })?;
    let password = match &config.tls_identity_password_file {
        Some(path) => secret(path, "broker.tls_identity_password_file")?,
        None => String::new(),
    };
    Ok(Some(OwnedIdentity::PKCS12 { der, password }))
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

fn secret(path: &Path, key: &str) -> Result<String, BrokerError> {
    config::secret::read(path, key).map_err(|error| BrokerError::Config(error.to_string()))
}

/// A PEM file that has what it should; the TLS library would pass over anything else.
fn pem(path: &Path, key: &str, wanted: &str) -> Result<String, BrokerError> {
    let text = secret(path, key)?;
    let has = text.lines().any(|line| line.starts_with("-----BEGIN ") && line.contains(wanted));
    if has && !text.contains("ENCRYPTED") {
        return Ok(text);
    }
    let what = wanted.to_lowercase();
    Err(BrokerError::Config(format!("{key}: {} holds no {what} in PEM without a password", path.display())))
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
        assert_eq!(address.uri.query.heartbeat, Some(6));
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
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").unwrap();
        let mut config = broker("amqp://mq.example/%2f");
        config.tls_ca = Some(file.clone());
        let refused = |config: &config::Broker| Address::from_config(config).unwrap_err().to_string();
        assert!(refused(&config).contains("write amqps://"));
        config.url = "amqps://mq.example/%2f".to_owned();
        Address::from_config(&config).unwrap();
        config.tls_certificate = Some(file.clone());
        config.tls_key = Some(file);
        assert!(refused(&config).contains("broker.tls_key"), "{}", refused(&config));
    }

    #[test]
    fn a_password_may_stand_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "p@ss/word%\n").unwrap();
        let mut config = broker("amqp://anna@mq.example/prod");
        config.password_file = Some(file);
        let address = Address::from_config(&config).unwrap();
        assert_eq!(address.uri.authority.userinfo.password, "p@ss/word%");
        assert_eq!(address.redacted(), "amqp://anna@mq.example:5672/prod");
        assert!(address.is_exposed());
        assert!(!Address::from_config(&broker("amqp://127.0.0.1/")).unwrap().is_exposed());
    }

    #[test]
    fn logging_in_by_certificate_needs_one() {
        let error = Address::from_config(&broker("amqps://mq.example/?auth_mechanism=external")).unwrap_err();
        assert!(error.to_string().contains("tls_certificate"), "{error}");
    }
}
