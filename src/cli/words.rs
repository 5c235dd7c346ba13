//! The words that carried the labels of a decision, as people read them: the text with those words marked, then what
//! each label rests on.

use super::row;
use super::style::{self, paint};
use crate::nlp::explain::Explained;
use crate::routing::Decision;

/// A span from this weight on is marked strongly.
const STRONG: f32 = 0.5;

/// The text of a decision with the words that carried it, and the words of each label; nothing when there are none.
pub fn render(decision: &Decision, document: &str) -> Option<String> {
    let explanation = decision.analysis.explanation.as_deref()?;
    let mut lines: Vec<String> =
        marked(document, explanation).lines().map(|line| format!("  {line}")).collect();
    lines.push(String::new());
    let width = explanation.iter().map(|one| label(one).chars().count()).max().unwrap_or_default();
    for one in explanation {
        let words = one.spans.iter().map(|span| {
            let words: String = document.chars().skip(span.start).take(span.end - span.start).collect();
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("“{}” {}", row::shorten(&words, 60), paint(style::DIM, &format!("{:.2}", span.weight)))
        });
        lines.push(format!("  {:width$}  {}", label(one), words.collect::<Vec<_>>().join("  ")));
    }
    Some(lines.join("\n"))
}

fn label(one: &Explained) -> String {
    format!("{} {}", one.kind, one.name)
}

/// The text with every word marked by the strongest span it stands in.
fn marked(document: &str, explanation: &[Explained]) -> String {
    let mut strength = vec![0.0_f32; document.chars().count()];
    for span in explanation.iter().flat_map(|one| &one.spans) {
        for value in strength.iter_mut().skip(span.start).take(span.end - span.start) {
            *value = value.max(span.weight);
        }
    }
    let mark = |strength: f32| match strength {
        strong if strong >= STRONG => Some(style::MARK),
        weak if weak > 0.0 => Some(style::FAINT_MARK),
        _ => None,
    };
    let (mut out, mut run, mut current) = (String::new(), String::new(), None);
    for (c, strength) in document.chars().zip(strength) {
        // A line is marked by itself, so that it can be indented.
        let next = if c == '\n' { None } else { mark(strength) };
        if next != current {
            out.push_str(&current.map_or_else(|| run.clone(), |style| paint(style, &run)));
            run.clear();
            current = next;
        }
        run.push(c);
    }
    out.push_str(&current.map_or_else(|| run.clone(), |style| paint(style, &run)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlp::explain::WeightedSpan;
    use crate::nlp::labels::LabelKind;

    fn explained(spans: &[(usize, usize, f32)]) -> Explained {
        let spans = spans.iter().map(|(start, end, weight)| WeightedSpan {
            start: *start,
            end: *end,
            weight: *weight,
        });
        Explained { kind: LabelKind::Intent, name: "order.status".to_owned(), spans: spans.collect() }
    }

    #[test]
    fn words_are_marked_by_their_strength_and_the_text_stays() {
        let text = "Dov'è il\nmio ordine 😡?";
        let check = |spans: &[(usize, usize, f32)], expected: &str| {
            let shown = marked(text, &[explained(spans)]);
            assert_eq!(anstream::adapter::strip_str(&shown).to_string(), text);
            let (strong, faint) = (style::MARK.render().to_string(), style::FAINT_MARK.render().to_string());
            let plain = shown.replace(&strong, "<").replace(&faint, "(");
            assert_eq!(plain.replace(&style::MARK.render_reset().to_string(), ">"), expected);
        };
        check(&[], text);
        check(&[(13, 19, 1.0)], "Dov'è il\nmio <ordine> 😡?");
        check(&[(13, 19, 1.0), (20, 21, 0.2)], "Dov'è il\nmio <ordine> (😡>?");
        check(&[(6, 12, 1.0)], "Dov'è <il>\n<mio> ordine 😡?");
    }
}
