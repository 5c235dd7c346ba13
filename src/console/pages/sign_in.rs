//! The form of the sign-in.

use axum::response::Response;
use maud::html;

use crate::console::words::Words;

/// Which ways in there are.
#[derive(Debug, Clone, Copy)]
pub(in crate::console) struct Offer<'a> {
    /// Through a provider; words of its own for the button, if any.
    pub provider: Option<Option<&'a str>>,
    /// With a password.
    pub passwords: bool,
    /// Where to sign out of the provider, too.
    pub sign_out: Option<&'a str>,
}

impl Default for Offer<'_> {
    fn default() -> Self {
        Self { provider: None, passwords: true, sign_out: None }
    }
}

/// The form; `wrong` says what was amiss with the last try.
pub(in crate::console) fn page(words: &Words, next: &str, wrong: Option<&str>, offer: Offer<'_>) -> Response {
    let body = html! {
        main id="content" class="single card" {
            p class="big" aria-hidden="true" { "⇶" }
            h1 { (words.sign_in) }
            @if let Some(wrong) = wrong { p role="alert" class="alert" { (wrong) } }
            @if let Some(sign_out) = offer.sign_out {
                p role="status" { (words.signed_out) " " a href=(sign_out) { (words.sign_out_provider) } }
            }
            @if let Some(label) = offer.provider {
                @let to = format!("/sign-in/provider?next={}", crate::console::query::encoded(next));
                p { a class="button" href=(to) { (label.unwrap_or(words.sign_in_provider)) } }
            }
            @if offer.passwords { form method="post" action="/sign-in" class="stack" {
                input type="hidden" name="next" value=(next);
                label { (words.account) input name="account" autocomplete="username" required autofocus; }
                label { (words.password) input type="password" name="password" autocomplete="current-password" required; }
                button { (words.sign_in) }
            } }
        }
    };
    super::frame(words, None, words.sign_in, "sign-in", &body)
}
