//! Who saw which conversation, and what operators did.

use axum::response::Response;
use maud::{Markup, html};

use super::parts;
use crate::console::guard::Viewer;
use crate::console::words::Words;
use crate::store::console::{Access, Operated, Operation, Seen};

/// The latest lines of both logs.
pub(in crate::console) fn page(
    words: &Words,
    viewer: &Viewer,
    log: &[Access],
    operations: &[Operation],
) -> Response {
    let body = html! {
        main id="content" class="single wide" {
            h1 { (words.access_title) }
            @if log.is_empty() { p { (words.access_none) } } @else {
                div class="scroll" tabindex="0" role="region" aria-label=(words.access_title) { table {
                    thead { tr { th { (words.at) } th { (words.who) } th { (words.conversation) } } }
                    tbody { @for line in log {
                        tr { td { (parts::time(line.at)) } td { (line.account) } td { (line.conversation_id) @if line.what == Seen::Timeline { " · " (words.language.maps().timeline_seen) } } }
                    } }
                } }
            }
            (operated(words, operations))
            p { a class="button" href="/queue" { (words.fault_again) } }
        }
    };
    super::frame(words, Some(viewer), words.access_title, "access", &body)
}

fn operated(words: &Words, operations: &[Operation]) -> Markup {
    let own = words.language.operations();
    let act = |act: Operated| match act {
        Operated::Show => own.act_show,
        Operated::Replay => own.act_replay,
        Operated::Discard => own.act_discard,
        Operated::Simulate => own.act_simulate,
        Operated::WithdrawErasure => own.act_withdraw,
    };
    html! {
        h2 { (own.log_title) }
        @if operations.is_empty() { p { (own.log_none) } } @else {
            div class="scroll" tabindex="0" role="region" aria-label=(own.log_title) { table {
                thead { tr { th { (words.at) } th { (words.who) } th { (own.act) } th { (own.target) } } }
                tbody { @for line in operations {
                    tr { td { (parts::time(line.at)) } td { (line.account) } td { (act(line.act)) } td { (line.target) } }
                } }
            } }
        }
    }
}
