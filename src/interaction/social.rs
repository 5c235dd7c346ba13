//! Social posts: who is addressed and the repost mark go, tags become words.

use std::sync::LazyLock;

use regex::Regex;

use super::normalise::normalise;

/// `RT @name:` and the mentions a reply begins with.
static ADDRESSED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:RT )?(?:\.?@[\w.]{1,40}:?\s+)+").ok());
/// `#BadService`.
static TAG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(^|[\s(])#(\p{L}[\p{L}\p{N}_]{0,80})").ok());

/// The post.
pub(super) fn clean(text: &str) -> String {
    let text = normalise(text);
    let (Some(addressed), Some(tag)) = (&*ADDRESSED, &*TAG) else { return text };
    let post = addressed.replace(&text, "");
    let post = tag.replace_all(&post, |found: &regex::Captures<'_>| {
        let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
        format!("{}{}", part(1), words(part(2)))
    });
    let post = normalise(&post);
    if post.is_empty() { text } else { post }
}

/// `BadService_2` as `Bad Service 2`.
fn words(tag: &str) -> String {
    let mut out = String::with_capacity(tag.len() + 4);
    let mut previous = ' ';
    for c in tag.chars() {
        if c == '_' {
            out.push(' ');
        } else {
            if c.is_uppercase() && previous.is_lowercase() {
                out.push(' ');
            }
            out.push(c);
        }
        previous = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_mentions() {
        assert_eq!(clean("@acme_help @acme: still no #BadService_today"), "still no Bad Service today");
        assert_eq!(clean("RT @acme: #vergogna!"), "vergogna!");
        assert_eq!(clean("@acme"), "@acme");
        assert_eq!(clean("pacco #12345 perso, chiedo a @acme"), "pacco #12345 perso, chiedo a @acme");
    }
}
