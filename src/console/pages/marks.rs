//! Where the words that a decision points at stand in the transcript. Spans count Unicode scalar values in the document of
//! the interaction: the subject line and the customer's turns, one a line.

use crate::interaction::{Author, Interaction};
use crate::routing::Decision;

/// Words with the labels that point at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Segment {
    pub text: String,
    /// What points here; none for plain words.
    pub labels: Vec<String>,
}

/// One speaker's words; no speaker for the subject line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Spoken {
    pub speaker: Option<Author>,
    pub segments: Vec<Segment>,
}

struct Span {
    start: usize,
    end: usize,
    label: String,
}

/// The subject line and the turns of a message, in order, with what the decision points at.
pub(in crate::console) fn spoken(interaction: &Interaction, decision: &Decision) -> Vec<Spoken> {
    let spans = spans(decision);
    let any_customer = interaction.turns.iter().any(|turn| turn.speaker == Author::Customer);
    let mut place = 0;
    let mut spoken = Vec::new();
    let mut add = |speaker: Option<Author>, text: &str, counts: bool| {
        let segments = if counts {
            let cut = cut(text, place, &spans);
            place += text.chars().count() + 1;
            cut
        } else {
            vec![Segment { text: text.to_owned(), labels: Vec::new() }]
        };
        spoken.push(Spoken { speaker, segments });
    };
    if let Some(subject) =
        interaction.subject.as_ref().map(|text| text.as_str()).filter(|text| !text.is_empty())
    {
        add(None, subject, true);
    }
    for turn in &interaction.turns {
        let counts = !any_customer || turn.speaker == Author::Customer;
        add(Some(turn.speaker), turn.text.as_str(), counts);
    }
    spoken
}

fn spans(decision: &Decision) -> Vec<Span> {
    let signals = decision
        .analysis
        .signals
        .iter()
        .filter_map(|signal| Some((signal.span?, signal.name.as_str().replace('_', " "))));
    let reasons = decision.reasons.iter().filter_map(|reason| Some((reason.evidence?, reason.text.clone())));
    let explained = decision.analysis.explanation.iter().flatten().flat_map(|explained| {
        explained.spans.iter().map(|span| (span.span(), explained.name.replace('_', " ")))
    });
    signals
        .chain(reasons)
        .chain(explained)
        .filter(|([start, end], _)| start < end)
        .map(|([start, end], label)| Span { start, end, label })
        .collect()
}

/// A text that begins at a place of the document, cut where spans begin and end.
fn cut(text: &str, place: usize, spans: &[Span]) -> Vec<Segment> {
    let chars: Vec<char> = text.chars().collect();
    let end = place + chars.len();
    let inside = |at: usize| (at > place && at < end).then_some(at);
    let mut cuts: Vec<usize> =
        spans.iter().flat_map(|span| [span.start, span.end]).filter_map(inside).collect();
    cuts.extend([place, end]);
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2)
        .map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            let mut labels: Vec<String> = spans
                .iter()
                .filter(|span| span.start <= from && span.end >= to)
                .map(|span| span.label.clone())
                .collect();
            labels.sort();
            labels.dedup();
            Segment { text: chars[from - place..to - place].iter().collect(), labels }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_scalar_values_and_may_overlap() {
        let span = |start, end, label: &str| Span { start, end, label: label.to_owned() };
        // "è \u{1F6E0} rotto": the tool is one scalar value of four bytes.
        let cut = |spans: &[Span]| {
            let cut = cut("è \u{1F6E0} rotto", 10, spans);
            cut.into_iter().map(|s| format!("{}[{}]", s.text, s.labels.join(","))).collect::<String>()
        };
        assert_eq!(cut(&[]), "è \u{1F6E0} rotto[]");
        assert_eq!(cut(&[span(14, 19, "a")]), "è \u{1F6E0} []rotto[a]");
        assert_eq!(cut(&[span(12, 16, "a"), span(14, 19, "b")]), "è []\u{1F6E0} [a]ro[a,b]tto[b]");
        assert_eq!(cut(&[span(0, 400, "all")]), "è \u{1F6E0} rotto[all]");
        assert_eq!(cut(&[span(0, 10, "before"), span(19, 30, "after")]), "è \u{1F6E0} rotto[]");
    }
}
