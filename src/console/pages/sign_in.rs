//! The form of the sign-in.

use axum::response::Response;
use maud::html;

use crate::console::words::Words;

/// The form; `wrong` says what was amiss with the last try.
pub(in crate::console) fn page(words: &Words, next: &str, wrong: Option<&str>) -> Response {
    let body = html! {
        main id="content" class="single card" {
            p class="big" aria-hidden="true" { "⇶" }
            h1 { (words.sign_in) }
            @if let Some(wrong) = wrong { p role="alert" class="alert" { (wrong) } }
            form method="post" action="/sign-in" class="stack" {
                input type="hidden" name="next" value=(next);
                label { (words.account) input name="account" autocomplete="username" required autofocus; }
                label { (words.password) input type="password" name="password" autocomplete="current-password" required; }
                button { (words.sign_in) }
            }
        }
    };
    super::frame(words, None, words.sign_in, "sign-in", &body)
}
