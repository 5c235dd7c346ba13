//! Why an attempt to connect failed, told apart by what people can do about it.

use std::fmt;

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectFault {
    /// What to put right.
    pub problem: Problem,
    address: String,
    cause: String,
}

/// What to put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The host's name leads nowhere.
    UnknownHost,
    /// Nobody listens on the port.
    Refused,
    /// Nothing came back.
    Silent,
    /// Wrong user or password.
    Login,
    /// The virtual host is not there.
    NoVhost,
    /// The user may not use the virtual host.
    VhostForbidden,
    /// The broker's certificate comes from an authority that is not trusted.
    UnknownAuthority,
    /// The broker's certificate is for another name.
    WrongName,
    /// The broker's certificate is out of date.
    Expired,
    /// The broker wants a client certificate.
    CertificateWanted,
    /// The broker does not accept the client certificate.
    CertificateRefused,
    /// The broker speaks no TLS on that port, or this side does not on a port that does.
    NotTls,
    /// The system has no certificate authorities.
    NoAuthorities,
    /// Something else.
    Other,
}

/// What the libraries and RabbitMQ say, and what it means; the first that fits counts.
const SIGNS: [(&str, Problem); 32] = [
    ("certificaterequired", Problem::CertificateWanted),
    ("certificate_required", Problem::CertificateWanted),
    ("received fatal alert: handshakefailure", Problem::CertificateWanted),
    ("received fatal alert: unknownca", Problem::CertificateRefused),
    ("received fatal alert: badcertificate", Problem::CertificateRefused),
    ("received fatal alert: unsupportedcertificate", Problem::CertificateRefused),
    ("received fatal alert: certificateexpired", Problem::CertificateRefused),
    ("received fatal alert: certificateunknown", Problem::CertificateRefused),
    ("received fatal alert: decrypterror", Problem::CertificateRefused),
    ("unknownissuer", Problem::UnknownAuthority),
    ("unknown issuer", Problem::UnknownAuthority),
    ("unknown certificate authority", Problem::UnknownAuthority),
    ("causedasendentity", Problem::UnknownAuthority),
    ("badsignature", Problem::UnknownAuthority),
    ("notvalidforname", Problem::WrongName),
    ("not valid for name", Problem::WrongName),
    ("certificate expired", Problem::Expired),
    ("expired", Problem::Expired),
    ("native certificates", Problem::NoAuthorities),
    ("invalidcontenttype", Problem::NotTls),
    ("corrupt message", Problem::NotTls),
    ("tls handshake", Problem::NotTls),
    ("failed to lookup", Problem::UnknownHost),
    ("name or service not known", Problem::UnknownHost),
    ("connection refused", Problem::Refused),
    ("timed out", Problem::Silent),
    ("login was refused", Problem::Login),
    ("refused for user", Problem::VhostForbidden),
    ("access to vhost", Problem::VhostForbidden),
    ("not found", Problem::NoVhost),
    ("access_refused", Problem::Login),
    ("access-refused", Problem::Login),
];

impl ConnectFault {
    /// From what was said; `vhost` must not be mistaken for it.
    pub(super) fn new(address: String, vhost: &str, cause: &str) -> Self {
        let said = if vhost.len() > 2 { cause.replace(vhost, "") } else { cause.to_owned() }.to_lowercase();
        let sign = SIGNS.iter().find(|(sign, _)| said.contains(sign));
        Self {
            problem: sign.map_or(Problem::Other, |(_, problem)| *problem),
            address,
            cause: cause.to_owned(),
        }
    }

    /// Nothing came back in time.
    pub(super) fn silent(address: String) -> Self {
        Self { problem: Problem::Silent, address, cause: "no answer".to_owned() }
    }

    /// The connection was broken off without a word of why.
    pub(super) fn is_reset(&self) -> bool {
        let said = self.cause.to_lowercase();
        self.problem == Problem::Other
            && ["connection reset", "broken pipe"].iter().any(|sign| said.contains(sign))
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self.problem {
            Problem::UnknownHost => "correct the host in broker.url, or ask whoever runs the name service",
            Problem::Refused => {
                "start RabbitMQ, or correct host and port in broker.url (5672 is usual, 5671 for amqps://); \
                 `smista demo` and `smista analyze` need none"
            }
            Problem::Silent => "check host and port in broker.url, and firewalls between here and there",
            Problem::Login => {
                "correct user and password (broker.url, url_file or password_file); the user guest may log in from \
                 the broker's own machine only; `smista topology show --users` shows how to make users"
            }
            Problem::NoVhost => {
                "correct the virtual host at the end of broker.url, or make it: `rabbitmqctl add_vhost`"
            }
            Problem::VhostForbidden => {
                "let the user use the virtual host: `rabbitmqctl set_permissions`, as `smista topology show --users` shows"
            }
            Problem::UnknownAuthority => {
                "name the authority that signed the broker's certificate in broker.tls_ca"
            }
            Problem::WrongName => "use a host in broker.url that the broker's certificate names",
            Problem::Expired => "the broker needs a new certificate; or this machine's clock is wrong",
            Problem::CertificateWanted => "set broker.tls_certificate and tls_key, or tls_identity",
            Problem::CertificateRefused => {
                "use a client certificate that is in date and signed by an authority that the broker trusts"
            }
            Problem::NotTls => {
                "amqps:// goes to the broker's TLS port (5671 is usual), amqp:// to the other (5672)"
            }
            Problem::NoAuthorities => {
                "install the system's certificates (package ca-certificates), or set SSL_CERT_FILE to your authority's"
            }
            Problem::Other => {
                "look into the broker's log; the broker section of smista.toml says where to connect"
            }
        }
    }

    fn meaning(&self) -> Option<&'static str> {
        Some(match self.problem {
            Problem::UnknownHost => "the host is not known",
            Problem::Refused => "nobody listens there",
            Problem::Silent | Problem::Other => return None,
            Problem::Login => "wrong user or password",
            Problem::NoVhost => "there is no such virtual host",
            Problem::VhostForbidden => "the user may not use the virtual host",
            Problem::UnknownAuthority => "the broker's certificate comes from an unknown authority",
            Problem::WrongName => "the broker's certificate is for another host name",
            Problem::Expired => "the broker's certificate is out of date",
            Problem::CertificateWanted => "the broker wants a client certificate",
            Problem::CertificateRefused => "the broker does not accept the client certificate",
            Problem::NotTls => "one side speaks TLS and the other does not",
            Problem::NoAuthorities => "this system has no certificate authorities",
        })
    }
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause, .. } = self;
        match self.meaning() {
            Some(meaning) => write!(f, "{address} cannot be used: {meaning} ({cause})"),
            None if self.problem == Problem::Silent => write!(f, "{address} does not answer"),
            None => write!(f, "{address} cannot be used: {cause}"),
        }
    }
}

impl std::error::Error for ConnectFault {}

impl From<ConnectFault> for String {
    fn from(fault: ConnectFault) -> Self {
        fault.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_problem() {
        let check = |cause: &str, problem: Problem| {
            let fault = ConnectFault::new("amqp://a@b:1/expired".to_owned(), "expired", cause);
            assert_eq!(fault.problem, problem, "{cause}");
        };
        check("IO error: Connection refused (os error 111)", Problem::Refused);
        check("failed to lookup address information: Name or service not known", Problem::UnknownHost);
        check("invalid peer certificate: UnknownIssuer", Problem::UnknownAuthority);
        check("received fatal alert: CertificateRequired", Problem::CertificateWanted);
        check("NOT_ALLOWED - vhost expired not found", Problem::NoVhost);
        check("NOT_ALLOWED - access to vhost 'expired' refused for user 'a'", Problem::VhostForbidden);
        check("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.", Problem::Login);
        check("a hole in the wall", Problem::Other);
    }
}
