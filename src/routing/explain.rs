//! Brings the words behind the labels into a decision: the explanation itself, the span of signals that the model alone
//! saw, and the evidence of reasons that rest on other labels than a cue's. Changes nothing that routes.

use super::check::Facet;
use super::compile::{Policy, Rule};
use super::decision::{Analysis, Decision};
use crate::nlp::explain::Explained;
use crate::nlp::labels::LabelKind;
use crate::nlp::understanding::SignalSource;

/// Adds an explanation of the labels of `document`, the redacted text, to the decision about it that `policy` made.
pub fn explain(decision: &mut Decision, policy: &Policy, explanation: Vec<Explained>, document: &str) {
    if explanation.is_empty() {
        return;
    }
    let analysis = &mut decision.analysis;
    for signal in analysis.signals.iter_mut().filter(|signal| signal.source == SignalSource::Model) {
        if let Some([start, end]) = strongest(&explanation, LabelKind::Signal, Some(signal.name.as_str())) {
            signal.span = Some([start, end]);
            signal.text = Some(document.chars().skip(start).take(end - start).collect());
        }
    }
    analysis.signals.sort_by_key(|signal| (signal.span.is_none(), signal.span, signal.name));
    for reason in &mut decision.reasons {
        if let Some(rule) = policy.rules.iter().find(|rule| rule.name == reason.rule) {
            let words = || rule.labels.iter().find_map(|facet| facet_span(facet, analysis, &explanation));
            reason.evidence = signal_span(rule, analysis).or_else(words);
        }
    }
    analysis.explanation = Some(explanation);
}

fn signal_span(rule: &Rule, analysis: &Analysis) -> Option<[usize; 2]> {
    rule.signals.iter().find_map(|kind| analysis.signals.iter().find(|signal| signal.name == *kind)?.span)
}

/// The words of a label that the rule asks for, if the message has that label.
fn facet_span(facet: &Facet, analysis: &Analysis, explanation: &[Explained]) -> Option<[usize; 2]> {
    let holds = match (facet.kind, facet.name.as_deref()) {
        (LabelKind::Sentiment, Some(name)) => analysis.sentiment.label.as_str() == name,
        (LabelKind::Stage, Some(name)) => {
            analysis.stage.as_ref().is_some_and(|stage| stage.name.as_str() == name)
        }
        _ => true,
    };
    if holds { strongest(explanation, facet.kind, facet.name.as_deref()) } else { None }
}

fn strongest(explanation: &[Explained], kind: LabelKind, name: Option<&str>) -> Option<[usize; 2]> {
    let found =
        explanation.iter().find(|one| one.kind == kind && name.is_none_or(|name| one.name == name))?;
    found.spans.first().map(|span| span.span())
}
