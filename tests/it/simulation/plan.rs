//! What a seed stands for: the messages, the workers and how much goes wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::chance::mix;

/// One schedule, as written in `SMISTA_SIMULATION_SEED`: `SEED[:messages=N][:only=FAILURE,FAILURE…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub seed: u64,
    /// Only the first so many messages.
    pub messages: Option<usize>,
    /// Only these failures.
    pub only: Option<BTreeSet<String>>,
}

impl Spec {
    pub fn of(seed: u64) -> Self {
        Self { seed, messages: None, only: None }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        if let Some(messages) = self.messages {
            write!(f, ":messages={messages}")?;
        }
        if let Some(only) = &self.only {
            write!(f, ":only={}", only.iter().cloned().collect::<Vec<_>>().join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.trim().split(':');
        let seed = parts.next().unwrap_or_default().parse().map_err(|_| format!("no seed in {text}"))?;
        let mut spec = Self::of(seed);
        for part in parts {
            match part.split_once('=') {
                Some(("messages", count)) => {
                    spec.messages = Some(count.parse().map_err(|_| format!("no number: {count}"))?);
                }
                Some(("only", names)) => {
                    let names = names.split(',').filter(|name| !name.is_empty());
                    spec.only = Some(names.map(str::to_owned).collect());
                }
                _ => return Err(format!("neither messages= nor only=: {part}")),
            }
        }
        Ok(spec)
    }
}

/// What is the matter with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    /// Analysed in five minutes; everything else about such a schedule is healthy.
    Slow,
    /// Cannot be parsed.
    Malformed,
    /// The analysis says that it will never do.
    Unfit,
    /// The analysis fails, whatever others do.
    Poison,
    /// The analysis panics.
    Panics,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub customer: usize,
    pub kind: Kind,
    /// Sent so long after the one before.
    pub gap: Duration,
    /// Sent again so much later.
    pub again: Option<Duration>,
}

/// Failures in a thousand passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    pub kill: u64,
    pub store: u64,
    pub publish: u64,
    pub analyse: u64,
    pub ack: u64,
    /// Of cut connections, stops and shards given away, each a few times a second.
    pub unrest: u64,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub messages: Vec<Message>,
    pub workers: usize,
    pub shards: usize,
    pub lanes: usize,
    pub prefetch: usize,
    pub delivery_limit: u32,
    /// How long things go wrong.
    pub troubled: Duration,
    pub rates: Rates,
    /// Longest pause of a step, milliseconds.
    pub pause_ms: u64,
    /// One customer's message takes long and nothing fails: nobody else may wait for it.
    pub one_is_slow: bool,
}

/// Numbers in a row.
struct Row(u64);

impl Row {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}

impl Plan {
    pub fn of(spec: &Spec) -> Self {
        let mut row = Row(mix(spec.seed));
        let one_is_slow = row.below(10) == 0;
        let customers = row.below(3) + if one_is_slow { 2 } else { 1 };
        let count = row.below(6) + 2;
        let rates = if one_is_slow {
            Rates::default()
        } else {
            Rates {
                kill: row.of(&[0, 0, 5, 15, 40]),
                store: row.of(&[0, 0, 30, 150, 400]),
                publish: row.of(&[0, 0, 50, 200, 500]),
                analyse: row.of(&[0, 0, 50, 300]),
                ack: row.of(&[0, 0, 50, 200]),
                unrest: row.of(&[0, 20, 60, 150]),
            }
        };
        let gap = row.of(&[1, 50, 500, 3000]);
        let message = |index: u64, row: &mut Row| Message {
            id: format!("m{index}"),
            customer: usize::try_from(row.below(customers)).unwrap(),
            kind: match row.below(40) {
                _ if one_is_slow => Kind::Good,
                0 | 1 => Kind::Malformed,
                2 => Kind::Unfit,
                3 => Kind::Poison,
                4 => Kind::Panics,
                _ => Kind::Good,
            },
            gap: row.millis(gap),
            again: (row.below(8) == 0).then(|| row.millis(4000)),
        };
        let mut messages: Vec<Message> = (0..count).map(|index| message(index, &mut row)).collect();
        if one_is_slow {
            messages[0].kind = Kind::Slow;
        }
        let few_lanes = row.below(4) + 1;
        let plan = Self {
            workers: row.of(&[1, 1, 2, 3]),
            shards: row.of(&[1, 1, 2]),
            lanes: if one_is_slow { 8 } else { usize::try_from(few_lanes).unwrap() },
            prefetch: if one_is_slow { 32 } else { row.of(&[1, 2, 4, 16]) },
            delivery_limit: row.of(&[3, 20, 1000]),
            troubled: Duration::from_millis(row.of(&[1000, 5000, 30_000])),
            rates,
            pause_ms: row.of(&[1, 20, 400, 2500]),
            one_is_slow,
            messages: Vec::new(),
        };
        messages.truncate(spec.messages.unwrap_or(usize::MAX));
        Self { messages, ..plan }
    }

    pub fn message(&self, id: &str) -> &Message {
        self.messages.iter().find(|message| message.id == id).unwrap()
    }
}
