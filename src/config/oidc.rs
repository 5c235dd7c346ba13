//! Signing in to the console through an OpenID Connect provider.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Roles of the console, as the configuration names them.
const ROLES: [&str; 4] = ["viewer", "supervisor", "operator", "admin"];

/// `console.oidc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer identifier, character by character as its discovery document has it.
    pub issuer: String,
    /// This console's name there.
    pub client_id: String,
    /// File with the client secret; none for a public client, which PKCE alone protects.
    pub client_secret_file: Option<PathBuf>,
    /// Asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that becomes the account's name.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// The claim, a text or a list of texts, that `roles` is looked up with; `realm_access.roles` looks into objects.
    #[serde(default = "role_claim")]
    pub role_claim: String,
    /// What a value of that claim makes of somebody; of several the highest counts.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// The role of those with none of these values; without it they may not sign in.
    pub default_role: Option<String>,
    /// Words of the button, else the console's own.
    pub label: Option<String>,
    /// Whether accounts with a password may still sign in with it.
    #[serde(default = "passwords")]
    pub passwords: bool,
}

fn scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

fn role_claim() -> String {
    "groups".to_owned()
}

fn passwords() -> bool {
    true
}

impl Oidc {
    /// What types cannot say.
    pub(super) fn check(&self, public_url: Option<&str>, check: &mut impl FnMut(bool, &str)) {
        let is = "console.oidc";
        check(
            public_url.is_some(),
            &format!("{is} needs console.public_url: the provider sends browsers back to it"),
        );
        check(
            is_safe(&self.issuer),
            &format!(
                "{is}.issuer must be an https:// address (http:// only on this machine), without ? and #"
            ),
        );
        check(!self.client_id.trim().is_empty(), &format!("{is}.client_id must be set"));
        check(!self.name_claim.trim().is_empty(), &format!("{is}.name_claim must name a claim"));
        check(
            !self.roles.is_empty() || self.default_role.is_some(),
            &format!("{is}: without roles and default_role nobody could sign in"),
        );
        for role in self.roles.values().chain(&self.default_role) {
            check(
                ROLES.contains(&role.as_str()),
                &format!("{is}: {role:?} is no role; there are {}", ROLES.join(", ")),
            );
        }
    }
}

/// Whether nobody on the way can read or change what is said there.
fn is_safe(issuer: &str) -> bool {
    let Ok(uri) = issuer.parse::<axum::http::Uri>() else { return false };
    let here = uri.host().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    let by_tls = uri.scheme_str() == Some("https") && uri.host().is_some();
    (by_tls || uri.scheme_str() == Some("http") && here) && !issuer.contains(['?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_told() {
        let good = || Oidc {
            issuer: "https://login.example.com/realms/main".to_owned(),
            client_id: "smista".to_owned(),
            client_secret_file: None,
            scopes: scopes(),
            name_claim: name_claim(),
            role_claim: role_claim(),
            roles: BTreeMap::from([("leads".to_owned(), "supervisor".to_owned())]),
            default_role: None,
            label: None,
            passwords: true,
        };
        let told = |oidc: Oidc, public: Option<&str>| {
            let mut faults = Vec::new();
            oidc.check(public, &mut |holds, fault| {
                if !holds {
                    faults.push(fault.to_owned());
                }
            });
            faults.join("; ")
        };
        let public = Some("https://c.example.com");
        assert_eq!(told(good(), public), "");
        assert_eq!(told(Oidc { issuer: "http://127.0.0.1:8080".to_owned(), ..good() }, public), "");
        assert!(told(good(), None).contains("public_url"));
        for issuer in ["http://login.example.com", "login.example.com", "https://x/?a=b", ""] {
            assert!(
                told(Oidc { issuer: issuer.to_owned(), ..good() }, public).contains("issuer"),
                "{issuer}"
            );
        }
        let chief = BTreeMap::from([("leads".to_owned(), "chief".to_owned())]);
        assert!(told(Oidc { roles: chief, ..good() }, public).contains("\"chief\""));
        assert!(told(Oidc { roles: BTreeMap::new(), ..good() }, public).contains("nobody could sign in"));
        assert!(told(Oidc { client_id: " ".to_owned(), ..good() }, public).contains("client_id"));
    }
}
