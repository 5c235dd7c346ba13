//! Asking for a customer's erasure, and what was asked for.

use axum::response::Response;
use maud::{Markup, html};

use super::parts;
use crate::console::guard::Viewer;
use crate::console::query::encoded;
use crate::console::words::Words;
use crate::store::console::{ErasureRequest, Role};

/// At the foot of the timeline: what was asked for, or the form to ask.
pub(in crate::console) fn asking(
    words: &Words,
    viewer: &Viewer,
    conversation: &str,
    request: Option<&ErasureRequest>,
) -> Markup {
    let own = words.language.erasure();
    if let Some(request) = request {
        return html! {
            section id="erasure" {
                h2 { (own.asked) }
                p role="status" { (request.account) ", " (parts::exact(request.at)) @if !request.reason.is_empty() { ": " (request.reason) } }
                @if viewer.role >= Role::Operator { p { a href="/erasures" { (own.title) } } }
            }
        };
    }
    if viewer.role < Role::Supervisor {
        return html! {};
    }
    html! {
        details id="erasure" {
            summary { (own.ask) }
            p { (own.ask_what) }
            form method="post" action=(format!("/conversation/{}/erasure", encoded(conversation))) {
                (super::csrf(viewer))
                label { (own.reason) input name="reason" maxlength="1000" autocomplete="off"; }
                label class="check" { input type="checkbox" name="sure" value="yes" required; " " (own.sure) }
                button { (own.ask_yes) }
            }
        }
    }
}

/// The list, with the command for each.
pub(in crate::console) fn page(words: &Words, viewer: &Viewer, requests: &[ErasureRequest]) -> Response {
    let own = words.language.erasure();
    let body = html! {
        main id="content" class="single wide" {
            h1 { (own.title) }
            @if requests.is_empty() { p class="empty" { (own.none) } } @else {
                p { (own.how) }
                div class="scroll" tabindex="0" role="region" aria-label=(own.title) { table {
                    thead { tr { th { (own.customer) } th { (words.who) } th { (words.at) } th { (own.reason) } th { (own.command) } th { (own.withdraw) } } }
                    tbody { @for request in requests {
                        tr {
                            td { a href=(format!("/conversation/{}/timeline", encoded(&request.conversation_id))) { (request.customer) } }
                            td { (request.account) }
                            td { (parts::time(request.at)) }
                            td { (request.reason) }
                            td { code { "smista erase --customer " (quoted(&request.customer)) } }
                            td { form method="post" action="/erasures/withdraw" {
                                (super::csrf(viewer))
                                input type="hidden" name="customer" value=(request.customer);
                                button { (own.withdraw) }
                            } }
                        }
                    } }
                } }
            }
            p { a class="button" href="/queue" { (words.fault_again) } }
        }
    };
    super::frame(words, Some(viewer), own.title, "erasures", &body)
}

/// As a POSIX shell takes it for one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_for_the_shell() {
        for (text, expected) in
            [("c-1", "'c-1'"), ("o'neil; rm -rf /", "'o'\\''neil; rm -rf /'"), ("$(id)", "'$(id)'")]
        {
            assert_eq!(quoted(text), expected);
        }
    }
}
