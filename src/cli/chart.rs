//! Charts as SVG, for pages that must work without any other host: pairs of bars, lying and standing. Colours come from
//! the page's CSS variables `--before` and `--after`, so that they follow its light and dark form.

use std::fmt::Write as _;

/// Text in HTML and SVG.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Nothing that a browser may not show: a text keeps its meaning, not its control characters.
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(count: u64, most: u64, length: f64) -> f64 {
    if most == 0 { 0.0 } else { count as f64 / most as f64 * length }
}

/// One pair of lying bars for each name: before above, after below. Made for 320 units of width.
pub fn bars(title: &str, rows: &[(String, u64, u64)]) -> String {
    const ROW: usize = 46;
    let most = rows.iter().map(|(_, before, after)| *before.max(after)).max().unwrap_or(0);
    let height = rows.len() * ROW + 4;
    let mut svg =
        format!("<svg viewBox=\"0 0 320 {height}\" role=\"img\" aria-label=\"{}\">\n", escaped(title));
    for (at, (name, before, after)) in rows.iter().enumerate() {
        let y = at * ROW;
        let _ = writeln!(svg, "<text x=\"0\" y=\"{}\">{}</text>", y + 12, escaped(name));
        for (class, count, y) in [("before", *before, y + 17), ("after", *after, y + 31)] {
            let width = share(count, most, 255.0).max(1.0);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"0\" y=\"{y}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>\
                 <text class=\"count\" x=\"{:.1}\" y=\"{}\">{count}</text>",
                width + 5.0,
                y + 10
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Pairs of standing bars for the hours of a day.
pub fn hours(title: &str, before: &[u64; 24], after: &[u64; 24]) -> String {
    const HEIGHT: f64 = 90.0;
    const STEP: usize = 13;
    let most = before.iter().chain(after).copied().max().unwrap_or(0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 320 118\" role=\"img\" aria-label=\"{}\">\n<text class=\"count\" x=\"0\" y=\"9\">{most}</text>\n\
         <line x1=\"0\" y1=\"102.5\" x2=\"320\" y2=\"102.5\"/>\n",
        escaped(title)
    );
    for (hour, (before, after)) in before.iter().zip(after).enumerate() {
        let x = 4 + hour * STEP;
        for (class, count, x) in [("before", *before, x), ("after", *after, x + 5)] {
            let height = share(count, most, HEIGHT);
            if count > 0 {
                let top = 102.0 - height;
                let _ = writeln!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{top:.1}\" width=\"5\" height=\"{height:.1}\">\
                     <title>{hour:02}:00 {class}: {count}</title></rect>"
                );
            }
        }
        if hour % 6 == 0 {
            let _ = writeln!(svg, "<text class=\"count\" x=\"{x}\" y=\"115\">{hour:02}</text>");
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Counts as one character each, the highest for `most`; a dot for none.
pub fn sparks(counts: &[u64; 24], most: u64) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let spark = |count: &u64| match count {
        0 => '·',
        count => {
            let step = (count * 8).div_ceil(most.max(1)).clamp(1, 8) - 1;
            STEPS.into_iter().nth(usize::try_from(step).unwrap_or(7)).unwrap_or('█')
        }
    };
    counts.iter().map(spark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escaped("<script>\"a\" & 'b'\u{1b}"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39; ");
        let svg = bars("a\"b", &[("<b>".to_owned(), 1, 0)]);
        assert!(svg.contains("&lt;b&gt;") && svg.contains("a&quot;b") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn the_longest_bar_fits_with_its_count() {
        let svg = bars("t", &[("a".to_owned(), 10, 5), ("b".to_owned(), 0, 0)]);
        assert!(svg.contains("width=\"255.0\"") && svg.contains("width=\"127.5\""), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 4, "a bar for nothing is still to be seen");
        let mut day = [0; 24];
        day[23] = 4;
        let svg = hours("t", &day, &[0; 24]);
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains("x=\"303\""), "{svg}");
    }

    #[test]
    fn sparks_reach_from_a_dot_to_a_block() {
        let mut day = [0; 24];
        (day[1], day[2], day[3]) = (1, 8, 4);
        let line = sparks(&day, 8);
        assert!(line.starts_with("·▁█▄·"), "{line}");
        assert_eq!(line.chars().count(), 24);
        assert_eq!(sparks(&[0; 24], 0), "·".repeat(24));
    }
}
