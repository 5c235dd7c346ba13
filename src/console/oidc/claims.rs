//! What a proved ID token says of somebody, and what that makes of them here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::config;
use crate::store::console::{Account, Identity, Role};

/// Seconds by which the provider's clock may differ.
pub(super) const LEEWAY: i64 = 60;
/// Longest subject, in bytes (OpenID Connect Core 1.0, section 2).
const SUBJECT: usize = 255;

/// Why somebody proved is nobody here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::console) enum Refused {
    #[error("the ID token is not good yet (nbf)")]
    Early,
    #[error("the ID token has no claim {0} that could be an account's name; {name}", name = Account::NAME)]
    Name(String),
    #[error("none of the values of claim {0} has a role in console.oidc.roles, and there is no default_role")]
    Role(String),
    #[error("the ID token cannot be read")]
    Unreadable,
}

/// Somebody who may sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub identity: Identity,
    pub name: String,
    pub role: Role,
}

/// Reads a token whose signature and claims were verified.
pub(super) fn person(token: &str, config: &config::Oidc, now: DateTime<Utc>) -> Result<Person, Refused> {
    let claims = payload(token).ok_or(Refused::Unreadable)?;
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str).map(str::to_owned);
    if claims.get("nbf").and_then(Value::as_f64).is_some_and(|nbf| nbf > (now.timestamp() + LEEWAY) as f64) {
        return Err(Refused::Early);
    }
    let (issuer, subject) = text("iss").zip(text("sub")).ok_or(Refused::Unreadable)?;
    if subject.is_empty() || subject.len() > SUBJECT {
        return Err(Refused::Unreadable);
    }
    let role = role(&claims, config).ok_or_else(|| Refused::Role(config.role_claim.clone()))?;
    let name = find(&claims, &config.name_claim).and_then(Value::as_str).map(str::trim);
    let name =
        name.filter(|name| Account::is_name(name)).ok_or_else(|| Refused::Name(config.name_claim.clone()))?;
    Ok(Person { identity: Identity { issuer, subject }, name: name.to_owned(), role })
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A claim by its name, else by a path into objects.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        find(claims.get(first)?.as_object()?, rest)
    })
}

fn role(claims: &Map<String, Value>, config: &config::Oidc) -> Option<Role> {
    let values: Vec<&str> = match find(claims, &config.role_claim) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let given = values.iter().filter_map(|value| config.roles.get(*value));
    let highest = given.filter_map(|role| Role::from_name(role)).max();
    highest.or_else(|| config.default_role.as_deref().and_then(Role::from_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(role_claim: &str, default_role: Option<&str>) -> config::Oidc {
        let roles = json!({"leads": "supervisor", "ops": "operator"});
        serde_json::from_value(json!({
            "issuer": "https://login.example", "client_id": "smista", "role_claim": role_claim,
            "roles": roles, "default_role": default_role,
        }))
        .unwrap()
    }

    fn token(extra: Value) -> String {
        let mut claims = json!({"iss": "https://login.example", "sub": "s1", "preferred_username": "ada"});
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        format!("x.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn groups_become_roles() {
        let now = Utc::now();
        let role = |extra: Value, claim: &str, default: Option<&str>| {
            person(&token(extra), &config(claim, default), now).map(|person| person.role)
        };
        assert_eq!(role(json!({"groups": ["leads", "x"]}), "groups", None), Ok(Role::Supervisor));
        assert_eq!(
            role(json!({"groups": ["leads", "ops"]}), "groups", None),
            Ok(Role::Operator),
            "the highest"
        );
        assert_eq!(role(json!({"groups": "ops"}), "groups", None), Ok(Role::Operator));
        let nested = json!({"realm_access": {"roles": ["leads"]}});
        assert_eq!(role(nested, "realm_access.roles", None), Ok(Role::Supervisor));
        let with_dots = json!({"https://example.com/roles": ["ops"]});
        assert_eq!(role(with_dots, "https://example.com/roles", None), Ok(Role::Operator));
        assert_eq!(role(json!({}), "groups", Some("viewer")), Ok(Role::Viewer));
        for nothing in [json!({}), json!({"groups": ["admin", 3]}), json!({"groups": {"leads": true}})] {
            assert_eq!(role(nothing, "groups", None), Err(Refused::Role("groups".to_owned())));
        }
    }

    #[test]
    fn names_are_those_of_accounts() {
        let now = Utc::now();
        let name = |extra: Value| person(&token(extra), &config("groups", Some("viewer")), now);
        assert_eq!(name(json!({})).unwrap().name, "ada");
        for bad in [json!(""), json!("<b>"), json!("a b"), json!(7), json!("x".repeat(65))] {
            let refused = name(json!({"preferred_username": bad.clone()}));
            assert_eq!(refused, Err(Refused::Name("preferred_username".to_owned())), "{bad}");
        }
        assert_eq!(name(json!({"nbf": now.timestamp() + 3600})), Err(Refused::Early));
        assert_eq!(name(json!({"sub": "s".repeat(256)})), Err(Refused::Unreadable));
        assert_eq!(person("no token", &config("groups", None), now), Err(Refused::Unreadable));
    }
}
