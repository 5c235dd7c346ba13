//! Who saw which conversation.

use axum::response::Response;
use maud::html;

use super::parts;
use crate::console::guard::Viewer;
use crate::console::words::Words;
use crate::store::console::Access;

/// The latest lines of the log.
pub(in crate::console) fn page(words: &Words, viewer: &Viewer, log: &[Access]) -> Response {
    let body = html! {
        main id="content" class="single wide" {
            h1 { (words.access_title) }
            @if log.is_empty() { p { (words.access_none) } } @else {
                div class="scroll" { table {
                    thead { tr { th { (words.at) } th { (words.who) } th { (words.conversation) } } }
                    tbody { @for line in log {
                        tr { td { (parts::time(line.at)) } td { (line.account) } td { (line.conversation_id) } }
                    } }
                } }
            }
            p { a class="button" href="/queue" { (words.fault_again) } }
        }
    };
    super::frame(words, Some(viewer), words.access_title, "access", &body)
}
