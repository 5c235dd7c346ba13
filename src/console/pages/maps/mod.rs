//! The pages of maps.

pub(in crate::console) mod grid;
pub(in crate::console) mod lists;
pub(in crate::console) mod timeline;

use maud::{Markup, html};

use crate::console::words::Words;

/// The ways from one to the other; `at` is the address of the page shown.
fn ways(words: &Words, at: &str) -> Markup {
    let own = words.language.maps();
    let pages = [
        ("/maps", own.journey_map),
        ("/maps/topics", own.topics),
        ("/maps/churn", own.churn),
        ("/maps/agreement", own.agreement),
    ];
    html! {
        nav class="ways" aria-label=(own.title) {
            @for (address, name) in pages { a href=(address) aria-current=[(address == at).then_some("page")] { (name) } }
        }
    }
}
