//! Charts made on the server. Each has a text table behind it, made by the page.

use maud::{Markup, html};

/// Scores of −1 to 1 from left to right, as a line.
pub(super) fn curve(label: &str, scores: &[f32]) -> Markup {
    const WIDTH: f32 = 600.0;
    const HEIGHT: f32 = 80.0;
    let last = u16::try_from(scores.len().saturating_sub(1)).map_or(1.0, f32::from).max(1.0);
    let points: Vec<String> = (0_u16..)
        .zip(scores)
        .map(|(at, score)| {
            let x = f32::from(at) / last * (WIDTH - 8.0) + 4.0;
            let y = (1.0 - score.clamp(-1.0, 1.0)) / 2.0 * (HEIGHT - 8.0) + 4.0;
            format!("{x:.1},{y:.1}")
        })
        .collect();
    html! {
        svg class="curve" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) preserveAspectRatio="none" {
            line x1="0" x2=(WIDTH) y1=(HEIGHT / 2.0) y2=(HEIGHT / 2.0) class="zero" {}
            polyline points=(points.join(" ")) {}
        }
    }
}

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

/// Two bars, one below the other: before and after, as wide as their share of `most`.
pub(super) fn pair(before: u64, after: u64, most: u64) -> Markup {
    let wide = |value: u64| (value * 100).div_ceil(most.max(1));
    html! {
        svg class="pair-chart" viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true" {
            rect class="before" x="0" y="0" width=(wide(before)) height="7" {}
            rect class="after" x="0" y="9" width=(wide(after)) height="7" {}
        }
    }
}

/// Two columns at each place: before and after.
pub(super) fn pairs(label: &str, before: &[u64], after: &[u64]) -> Markup {
    let most = before.iter().chain(after).copied().max().unwrap_or(0).max(1);
    let tall = |value: u64| (value * 100).div_ceil(most);
    html! {
        svg class="columns-chart" viewBox=(format!("0 0 {} 100", before.len() * 10)) role="img" aria-label=(label) preserveAspectRatio="none" {
            @for (at, (before, after)) in before.iter().zip(after).enumerate() {
                rect class="before" x=(at * 10 + 1) y=(100 - tall(*before)) width="4" height=(tall(*before)) {}
                rect class="after" x=(at * 10 + 5) y=(100 - tall(*after)) width="4" height=(tall(*after)) {}
            }
        }
    }
}
