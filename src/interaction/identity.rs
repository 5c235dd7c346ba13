//! Identities: one form for each address, kept only as keyed hashes.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::normalise::normalise;

/// The HMAC-SHA256, in lower-case hex, of the identity's one form; `None` where it is no identity.
///
/// `mailto:` addresses are compared without case; `tel:` and `whatsapp:` numbers by their digits with a leading `+`,
/// and both alike, since one number is one person. Any other `scheme:value` is kept as written.
pub fn hash_identity(identity: &str, key: &[u8]) -> Option<String> {
    let canonical = canonical(identity)?;
    // HMAC takes keys of any length, so this never falls through.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(canonical.as_bytes());
    let hash = mac.finalize().into_bytes();
    Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn canonical(identity: &str) -> Option<String> {
    let identity = normalise(identity);
    let (scheme, value) = identity.trim().split_once(':')?;
    let (scheme, value) = (scheme.trim().to_ascii_lowercase(), value.trim());
    let fit = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
    if scheme.is_empty() || !scheme.chars().all(fit) || value.is_empty() {
        return None;
    }
    match scheme.as_str() {
        "mailto" => mailto(value),
        "tel" | "whatsapp" | "sms" => number(value).map(|number| format!("tel:{number}")),
        _ => Some(format!("{scheme}:{value}")),
    }
}

fn mailto(value: &str) -> Option<String> {
    let address = value.split('?').next()?.trim().trim_matches(['<', '>']).to_lowercase();
    let address = address.replace("%40", "@");
    let (local, domain) = address.rsplit_once('@')?;
    let fit = !local.is_empty() && !domain.is_empty() && !address.chars().any(char::is_whitespace);
    fit.then(|| format!("mailto:{local}@{}", domain.trim_end_matches('.')))
}

/// Digits, with `+` where the number is international; an extension stays, since it is another person.
fn number(value: &str) -> Option<String> {
    let value = value.trim_start_matches("//");
    let (main, parameters) = value.split_once(';').unwrap_or((value, ""));
    let main = main.split('@').next()?.replace("(0)", "");
    let fit = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.()/".contains(c);
    if !main.chars().all(fit) {
        return None;
    }
    let digits: String = main.chars().filter(char::is_ascii_digit).collect();
    let international = main.trim_start().starts_with(['+']) || digits.starts_with("00");
    let digits =
        if main.trim_start().starts_with('+') { digits.as_str() } else { digits.trim_start_matches("00") };
    if !(3..=15).contains(&digits.len()) {
        return None;
    }
    let extension: String =
        parameters.split(';').filter_map(|part| part.trim().strip_prefix("ext=")).take(1).collect();
    let plus = if international { "+" } else { "" };
    let ext = if extension.is_empty() { String::new() } else { format!(";ext={extension}") };
    Some(format!("{plus}{digits}{ext}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) {
        assert_eq!(canonical(left), canonical(right));
        assert!(canonical(left).is_some());
        assert_eq!(hash_identity(left, b"k"), hash_identity(right, b"k"));
    }

    #[test]
    fn one_form_for_each_address() {
        same("mailto:R.Ellery@Example.org", "MAILTO: <r.ellery@example.org>?subject=hello");
        same("tel:+39 333 123-4567", "tel:0039(333)1234567");
        same("whatsapp:+393331234567", "tel:+393331234567");
        same("tel:+44 (0)20 7946 0018", "tel:+442079460018");
        assert_ne!(canonical("tel:+390212345;ext=2"), canonical("tel:+390212345;ext=3"));
        assert_ne!(canonical("telegram:Abc"), canonical("tel:123456"));
    }

    #[test]
    fn what_is_no_identity() {
        for text in
            ["", "r.ellery@example.org", "mailto:", "mailto:nobody", "tel:", "tel:ring me", ":x", "tel:12"]
        {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn the_key_matters_and_the_address_is_not_in_it() {
        let one = hash_identity("mailto:a@example.org", b"one").unwrap();
        assert_ne!(Some(&one), hash_identity("mailto:a@example.org", b"two").as_ref());
        assert_eq!(one.len(), 64);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
