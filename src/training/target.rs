//! What a training row says about each head. A row may know some heads only; the others take no part in its loss.

use crate::nlp::labels::{Emotion, INTENTS, SentimentLabel, SignalKind, Stage};

/// A row's stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StageTarget {
    /// The row does not say.
    #[default]
    Unknown,
    /// Small talk and the like: no stage should win.
    Nobody,
    /// Index among [`Stage::ALL`].
    At(usize),
}

/// Labels of one row, as indices into the label sets; what is none is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Among [`SentimentLabel::ALL`].
    pub sentiment: Option<usize>,
    /// Among [`INTENTS`], the most specific first; never empty.
    pub intents: Option<Vec<usize>>,
    /// The stage.
    pub stage: StageTarget,
    /// All of the row's emotions, among [`Emotion::ALL`]; empty when it has none.
    pub emotions: Option<Vec<usize>>,
    /// All of the row's signals, among [`SignalKind::ALL`]; empty when it has none.
    pub signals: Option<Vec<usize>>,
}

/// One text with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Its labels.
    pub target: Target,
    /// Its part in the loss.
    pub weight: f32,
}

impl Target {
    /// Reads `head=value` pairs parted by spaces: `intent=a,b sentiment=neutral stage=support emotions=- signals=fraud`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut target = Self::default();
        for part in text.split_whitespace() {
            let (head, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not head=value"))?;
            match head {
                "sentiment" => target.sentiment = Some(sentiment(value)?),
                "intent" => target.intents = Some(intents(value)?),
                "stage" => target.stage = stage(value)?,
                "emotions" => target.emotions = Some(emotions(value)?),
                "signals" => target.signals = Some(signals(value)?),
                _ => return Err(format!("no head is called `{head}`")),
            }
        }
        Ok(target)
    }

    /// Joins what two labels of one row say; none when they contradict each other.
    pub fn join(mut self, other: Self) -> Option<Self> {
        match (self.sentiment, other.sentiment) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => self.sentiment = a.or(b),
        }
        match (self.stage, other.stage) {
            (StageTarget::Unknown, stage) => self.stage = stage,
            (_, StageTarget::Unknown) => {}
            (a, b) if a != b => self.stage = StageTarget::Unknown,
            _ => {}
        }
        let union = |a: Option<Vec<usize>>, b: Option<Vec<usize>>| match (a, b) {
            (Some(mut a), Some(b)) => {
                let new: Vec<usize> = b.into_iter().filter(|label| !a.contains(label)).collect();
                a.extend(new);
                Some(a)
            }
            (a, b) => a.or(b),
        };
        self.intents = union(self.intents, other.intents);
        self.emotions = union(self.emotions, other.emotions);
        self.signals = union(self.signals, other.signals);
        Some(self)
    }
}

fn index(of: &str, name: &str, found: Option<usize>) -> Result<usize, String> {
    found.ok_or_else(|| format!("no {of} is called `{name}`"))
}

/// Index of a sentiment.
pub fn sentiment(name: &str) -> Result<usize, String> {
    index("sentiment", name, SentimentLabel::ALL.iter().position(|label| label.as_str() == name))
}

/// Indices of one to three intents parted by commas.
pub fn intents(names: &str) -> Result<Vec<usize>, String> {
    let found = list(names, "intent", |name| INTENTS.iter().position(|label| *label == name))?;
    match found.len() {
        1..=3 => Ok(found),
        count => Err(format!("{count} intents, not one to three")),
    }
}

/// A stage, or `-` for nobody.
pub fn stage(name: &str) -> Result<StageTarget, String> {
    if name == "-" {
        return Ok(StageTarget::Nobody);
    }
    index("stage", name, Stage::ALL.iter().position(|label| label.as_str() == name)).map(StageTarget::At)
}

/// Indices of emotions parted by commas, or `-`.
pub fn emotions(names: &str) -> Result<Vec<usize>, String> {
    list(names, "emotion", |name| Emotion::ALL.iter().position(|label| label.as_str() == name))
}

/// Indices of signals parted by commas, or `-`.
pub fn signals(names: &str) -> Result<Vec<usize>, String> {
    list(names, "signal", |name| SignalKind::ALL.iter().position(|label| label.as_str() == name))
}

fn list(names: &str, of: &str, find: impl Fn(&str) -> Option<usize>) -> Result<Vec<usize>, String> {
    if names == "-" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in names.split(',').map(str::trim) {
        let label = index(of, name, find(name))?;
        if found.contains(&label) {
            return Err(format!("`{name}` stands twice"));
        }
        found.push(label);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_every_head() {
        let target = Target::parse(
            "intent=order.cancel,other sentiment=negative stage=purchase emotions=- signals=fraud,churn",
        )
        .unwrap();
        assert_eq!(target.intents, Some(vec![5, 35]));
        assert_eq!((target.sentiment, target.stage), (Some(0), StageTarget::At(2)));
        assert_eq!((target.emotions, target.signals), (Some(vec![]), Some(vec![4, 5])));
        assert_eq!(Target::parse("stage=-").unwrap().stage, StageTarget::Nobody);
        assert_eq!(Target::parse("").unwrap(), Target::default());
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        for (text, said) in [
            ("intent=order.canel", "order.canel"),
            ("sentiment=mixed", "mixed"),
            ("mood=bad", "mood"),
            ("intent=-", "0 intents"),
            ("emotions=joy,joy", "twice"),
            ("praise", "head=value"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn joining_unites_lists_and_drops_contradictions() {
        let join = |a: &str, b: &str| Target::parse(a).unwrap().join(Target::parse(b).unwrap());
        assert_eq!(join("sentiment=negative", "sentiment=positive"), None);
        assert_eq!(join("emotions=anger", "emotions=joy,anger").unwrap().emotions, Some(vec![0, 6]));
        assert_eq!(join("stage=support", "sentiment=neutral").unwrap().stage, StageTarget::At(4));
        assert_eq!(join("stage=support", "stage=retention").unwrap().stage, StageTarget::Unknown);
    }
}
