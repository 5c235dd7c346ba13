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
