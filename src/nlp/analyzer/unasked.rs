//! What is known of a message that the engine is not asked about: the contact centre's own words, a machine's message, one
//! without words; and what cue rules alone say of intents.

use super::{Reading, finish, round};
use crate::interaction::Interaction;
use crate::nlp::cues::Cue;
use crate::nlp::decode::MAX_INTENTS;
use crate::nlp::labels::{SentimentLabel, SignalKind};
use crate::nlp::understanding::{Complexity, Scored, Sentiment, Signal, SignalSource, Understanding};

fn blank(reading: &Reading) -> Understanding {
    Understanding {
        language: reading.language.clone(),
        sentiment: Sentiment {
            label: SentimentLabel::Neutral,
            score: 0.0,
            confidence: 0.0,
            first_third: 0.0,
            last_third: 0.0,
            shift: 0.0,
        },
        emotions: Vec::new(),
        intents: Vec::new(),
        abstained: true,
        stage: None,
        signals: Vec::new(),
        goal: None,
        complexity: Complexity::Standard,
        effort: 0.0,
        questions: Vec::new(),
        turns: Vec::new(),
        embedding: Vec::new(),
        degraded: false,
    }
}

/// The contact centre's own words: context, which says nothing about what the customer feels or wants.
pub(super) fn context(reading: &Reading) -> Understanding {
    let mut found = blank(reading);
    found.sentiment.confidence = 1.0;
    found
}

/// A machine's message: it feels and wants nothing.
pub(super) fn auto_reply(reading: &Reading, by_metadata: bool, written: Option<&Cue>) -> Understanding {
    let mut found = context(reading);
    found.intents = vec![Scored { name: "other".into(), confidence: 1.0 }];
    found.abstained = false;
    found.complexity = Complexity::Bot;
    let source = if by_metadata { SignalSource::Metadata } else { SignalSource::Cue };
    found.signals = vec![Signal {
        name: SignalKind::AutoReply,
        confidence: written.map_or(1.0, |cue| if by_metadata { 1.0 } else { cue.confidence }),
        source,
        span: written.map(|cue| cue.span),
        text: written.map(|cue| cue.text.clone()),
    }];
    found
}

/// A message without words, e.g. a survey answer of scores alone: the scores tell the sentiment, if there are any.
pub(super) fn wordless(interaction: &Interaction, reading: &Reading) -> Understanding {
    let mut found = blank(reading);
    let ratings = interaction.ratings;
    let shares = [
        ratings.nps.map(|score| f32::from(score.min(10)) / 10.0),
        ratings.csat.or(ratings.rating).map(|score| f32::from(score.clamp(1, 5) - 1) / 4.0),
    ];
    // The scale's ends are −1 and 1; NPS counts up to 6 as detractors and from 9 as promoters, as 2 and 4 of 5 stars.
    if reading.words == 0
        && let Some(share) = shares.into_iter().flatten().next()
    {
        let score = share * 2.0 - 1.0;
        found.sentiment.score = round(score);
        found.sentiment.first_third = round(score);
        found.sentiment.last_third = round(score);
        found.sentiment.confidence = 1.0;
        found.sentiment.label = match share {
            share if share >= 0.75 => SentimentLabel::Positive,
            share if share <= 0.6 && ratings.nps.is_some() => SentimentLabel::Negative,
            share if share <= 0.25 => SentimentLabel::Negative,
            _ => SentimentLabel::Neutral,
        };
    }
    finish(interaction, reading, &mut found);
    found
}

/// The intents that signals stand for.
pub(super) fn implied(signals: &[Signal]) -> Vec<Scored<String>> {
    let mut intents: Vec<Scored<String>> = signals
        .iter()
        .filter_map(|signal| {
            let name = match signal.name {
                SignalKind::Fraud => "security.fraud",
                SignalKind::Outage => "technical.outage",
                SignalKind::AgentRequest => "agent.request",
                SignalKind::Praise => "praise",
                SignalKind::PaymentDifficulty => "payment.problem",
                _ => return None,
            };
            Some(Scored { name: name.to_owned(), confidence: signal.confidence })
        })
        .collect();
    intents.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    intents.truncate(MAX_INTENTS);
    intents
}
