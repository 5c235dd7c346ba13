//! The journey map: stage by channel, how many contacts there are, how they go, and where customers are lost. A pure fold
//! of rows in order of customer and time, which holds one customer at a time. `docs/maps.md` has the formulas.

mod measure;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::interaction::Channel;
use crate::nlp::labels::Stage;

pub use measure::{Measure, STEPS, Tone};
pub use timeline::{Goal, Happened, Moment, Timeline};

/// What is made of fewer is not shown: it says more about somebody than about the journey.
pub const FEWEST: u64 = 5;

const CHANNELS: usize = Channel::ALL.len();
/// Places of stages: each, none, and all together.
const NO_STAGE: usize = Stage::ALL.len();
const ALL_STAGES: usize = NO_STAGE + 1;
const SLOTS: usize = (ALL_STAGES + 1) * (CHANNELS + 1);

/// What the map takes of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Whose it is today.
    pub customer: String,
    /// Which.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// How it came.
    pub channel: Channel,
    /// ISO 639-1.
    pub language: String,
    /// Where the customer stands after it.
    pub stage: Option<Stage>,
    /// The customer's own words: a contact. What others write only tells how it ended.
    pub counts: bool,
    /// −1…1.
    pub sentiment: f32,
    /// 0…1.
    pub effort: f32,
    /// The same problem again.
    pub repeated: bool,
    /// The first conversation about it.
    pub repeat_of: Option<String>,
    /// The customer wants something.
    pub wants: bool,
    /// Goals are open after it.
    pub open: bool,
    /// Goals of its conversation are.
    pub open_here: bool,
}

/// Which contacts count; what is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Through this channel.
    pub channel: Option<Channel>,
    /// In this language, ISO 639-1.
    pub language: Option<String>,
}

/// The general map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// Everything together.
    pub total: Cell,
    /// A cell for each stage that has contacts, through all channels.
    pub stages: Vec<Cell>,
    /// A cell for each channel that has contacts, in all stages.
    pub channels: Vec<Cell>,
    /// A cell for each stage and channel that has contacts.
    pub cells: Vec<Cell>,
}

/// A place of the map. A mean or share of fewer than five is none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cell {
    /// Name of the stage; `none` before anything places the customer; none for all stages.
    pub stage: Option<&'static str>,
    /// The channel; none for all.
    pub channel: Option<Channel>,
    /// The volume: messages of customers.
    pub contacts: u64,
    /// Customers who have one of them.
    pub journeys: u64,
    /// Conversations that bring something new that is wanted, and begin here.
    pub first_contacts: u64,
    /// Mean, −1…1.
    pub sentiment: Option<f64>,
    /// Mean, 0…1.
    pub effort: Option<f64>,
    /// Share of the journeys whose last contact is here and leaves a goal open.
    pub drop_off: Option<f64>,
    /// Share of the contacts that bring the same problem again.
    pub repeat_rate: Option<f64>,
    /// Share of the first contacts that nobody had to come back for.
    pub first_contact_resolution: Option<f64>,
}

impl Map {
    /// The map of these rows, in order of customer, time and message.
    pub fn of(rows: impl IntoIterator<Item = Row>, filter: Filter) -> Self {
        let mut fold = Fold::new(filter);
        rows.into_iter().for_each(|row| fold.add(row));
        fold.finish()
    }

    /// The place of a stage (by name, `none` included) and a channel, if it has contacts.
    pub fn cell(&self, stage: &str, channel: Channel) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.stage == Some(stage) && cell.channel == Some(channel))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    contacts: u64,
    sentiment: f64,
    effort: f64,
    repeats: u64,
    journeys: u64,
    lost: u64,
    first: u64,
    resolved: u64,
}

/// The places that a contact counts in: its own, its stage's, its channel's, and the whole.
type Places = [usize; 4];

/// A conversation of the customer at hand.
#[derive(Debug, Default)]
struct Conversation {
    /// Where its first contact counts; none inside when the filter leaves that out.
    began: Option<Option<Places>>,
    /// It began with a problem brought before.
    again: bool,
    wants: bool,
    open: bool,
    /// Somebody had to come back for it.
    repeated: bool,
}

/// The customer at hand.
#[derive(Debug, Default)]
struct One {
    name: String,
    seen: BTreeSet<usize>,
    last: Option<Places>,
    open: bool,
    conversations: BTreeMap<String, Conversation>,
}

/// The map under way.
#[derive(Debug)]
pub struct Fold {
    filter: Filter,
    sums: Vec<Sum>,
    one: One,
}

impl Fold {
    /// Nothing yet.
    pub fn new(filter: Filter) -> Self {
        Self { filter, sums: vec![Sum::default(); SLOTS], one: One::default() }
    }

    /// Takes the next row in. All of a customer come together, in order of time.
    pub fn add(&mut self, row: Row) {
        if row.customer != self.one.name {
            self.close();
            self.one.name.clone_from(&row.customer);
        }
        let places = self.places(&row);
        let one = &mut self.one;
        one.open = row.open;
        if let Some(of) = row.repeat_of.as_ref().filter(|of| row.counts && **of != row.conversation_id)
            && let Some(earlier) = one.conversations.get_mut(of)
        {
            earlier.repeated = true;
        }
        let conversation = one.conversations.entry(row.conversation_id).or_default();
        conversation.open = row.open_here;
        if !row.counts {
            return;
        }
        conversation.wants |= row.wants;
        if conversation.began.is_none() {
            conversation.began = Some(places);
            conversation.again = row.repeated;
        }
        one.last = places;
        for place in places.into_iter().flatten() {
            one.seen.insert(place);
            if let Some(sum) = self.sums.get_mut(place) {
                sum.contacts += 1;
                sum.sentiment += f64::from(row.sentiment);
                sum.effort += f64::from(row.effort);
                sum.repeats += u64::from(row.repeated);
            }
        }
    }

    /// The map of what was added.
    pub fn finish(mut self) -> Map {
        self.close();
        let cell = |stage: usize, channel: usize| {
            let sum = self.sums.get(place(stage, channel)).copied().unwrap_or_default();
            sum.cell(stage, channel)
        };
        let some = |cell: &Cell| cell.contacts > 0;
        let stages = 0..=NO_STAGE;
        let all = stages.clone().flat_map(|stage| (0..CHANNELS).map(move |channel| (stage, channel)));
        Map {
            total: cell(ALL_STAGES, CHANNELS),
            stages: stages.map(|stage| cell(stage, CHANNELS)).filter(some).collect(),
            channels: (0..CHANNELS).map(|channel| cell(ALL_STAGES, channel)).filter(some).collect(),
            cells: all.map(|(stage, channel)| cell(stage, channel)).filter(some).collect(),
        }
    }

    fn places(&self, row: &Row) -> Option<Places> {
        let Filter { channel, language } = &self.filter;
        if channel.is_some_and(|channel| channel != row.channel)
            || language.as_ref().is_some_and(|language| *language != row.language)
        {
            return None;
        }
        let stage = row.stage.and_then(|stage| Stage::ALL.iter().position(|known| *known == stage));
        let stage = stage.unwrap_or(NO_STAGE);
        let channel = Channel::ALL.iter().position(|known| *known == row.channel).unwrap_or(CHANNELS);
        Some([
            place(stage, channel),
            place(stage, CHANNELS),
            place(ALL_STAGES, channel),
            place(ALL_STAGES, CHANNELS),
        ])
    }

    /// The customer at hand has no more rows.
    fn close(&mut self) {
        let one = std::mem::take(&mut self.one);
        let sums = &mut self.sums;
        let mut count = |place: usize, add: fn(&mut Sum)| {
            if let Some(sum) = sums.get_mut(place) {
                add(sum);
            }
        };
        one.seen.iter().for_each(|place| count(*place, |sum| sum.journeys += 1));
        for place in one.last.filter(|_| one.open).into_iter().flatten() {
            count(place, |sum| sum.lost += 1);
        }
        for conversation in one.conversations.into_values() {
            if conversation.again || !conversation.wants {
                continue;
            }
            let resolved = !conversation.open && !conversation.repeated;
            for place in conversation.began.flatten().into_iter().flatten() {
                count(place, |sum| sum.first += 1);
                if resolved {
                    count(place, |sum| sum.resolved += 1);
                }
            }
        }
    }
}

fn place(stage: usize, channel: usize) -> usize {
    stage * (CHANNELS + 1) + channel
}

impl Sum {
    fn cell(self, stage: usize, channel: usize) -> Cell {
        let name = match stage {
            NO_STAGE => Some("none"),
            stage => Stage::ALL.get(stage).map(|stage| stage.as_str()),
        };
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let of = |part: f64, whole: u64| {
            (whole >= FEWEST).then(|| (part / whole as f64 * 1000.0).round() / 1000.0)
        };
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let share = |part: u64, whole: u64| of(part as f64, whole);
        Cell {
            stage: name,
            channel: Channel::ALL.get(channel).copied(),
            contacts: self.contacts,
            journeys: self.journeys,
            first_contacts: self.first,
            sentiment: of(self.sentiment, self.contacts),
            effort: of(self.effort, self.contacts),
            drop_off: share(self.lost, self.journeys),
            repeat_rate: share(self.repeats, self.contacts),
            first_contact_resolution: share(self.resolved, self.first),
        }
    }
}

#[cfg(test)]
mod tests;
