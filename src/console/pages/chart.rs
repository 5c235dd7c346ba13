//! Charts made on the server. Each has a text table behind it, made by the page.

use maud::{Markup, html};

/// Columns from left to right, the highest as high as the picture, or as `most` where that is more. `label` tells what they are.
pub(super) fn columns(label: &str, values: &[u64], most: u64) -> Markup {
    const HEIGHT: u64 = 100;
    let highest = values.iter().copied().max().unwrap_or(0).max(most).max(1);
    html! {
        svg class="columns-chart" viewBox=(format!("0 0 {} {HEIGHT}", values.len() * 10)) role="img" aria-label=(label) preserveAspectRatio="none" {
            line x1="0" x2=(values.len() * 10) y1=(HEIGHT) y2=(HEIGHT) class="zero" {}
            @for (at, value) in values.iter().enumerate() {
                @let tall = (value * HEIGHT).div_ceil(highest);
                @if tall > 0 { rect x=(at * 10 + 1) y=(HEIGHT - tall) width="8" height=(tall) {} }
            }
        }
    }
}
