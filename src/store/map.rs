//! The journey map's side of the store: a row per message, written with its decision, and what a customer's timeline is
//! made of.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::link::{Cell, Link, Param, Statement, cells};
use super::{Store, StoreError, sql};
use crate::interaction::{Author, Channel, Interaction};
use crate::journey::map::{Filter, Fold, Happened, Map, Moment, Row, Timeline};
use crate::nlp::labels::Stage;
use crate::nlp::understanding::GoalKind;
use crate::routing::Decision;
use Param::{Int, Text};

/// Rows on a page.
const PAGE: u32 = 5_000;
/// Characters of a message that a timeline shows.
const SUMMARY: usize = 160;

/// The map of messages sent from `since` up to `until`. `progress` is told of each page's rows. Holds a page and a customer at
/// a time.
pub async fn journey_map(
    store: &dyn Store,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    filter: Filter,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Map, StoreError> {
    let mut fold = Fold::new(filter);
    let mut last: Option<Row> = None;
    loop {
        let page = store.map_rows(since, until, last.as_ref(), PAGE).await?;
        let over = page.len() < PAGE as usize;
        progress(page.len() as u64);
        last = page.last().cloned();
        page.into_iter().for_each(|row| fold.add(row));
        if over {
            return Ok(fold.finish());
        }
    }
}

/// What a decision adds to the map.
pub(in crate::store) struct Mapped {
    texts: [String; 6],
    numbers: [i64; 8],
}

impl Mapped {
    pub(in crate::store) fn of(decision: &Decision, interaction: &Interaction) -> Self {
        let (analysis, journey) = (&decision.analysis, &decision.journey);
        let stage = analysis.stage.as_ref().map_or_else(String::new, |stage| stage.name.to_string());
        let repeat_of = journey.repeat_contact.of.first().cloned().unwrap_or_default();
        let here = |goal: &crate::journey::model::OpenGoal| goal.conversation_id == decision.conversation_id;
        let wants = analysis.goal.as_ref().is_some_and(|goal| goal.kind != GoalKind::Praise);
        let flags = [
            counts(interaction),
            journey.repeat_contact.is_repeat,
            wants,
            !journey.open_goals.is_empty(),
            journey.open_goals.iter().any(here),
        ];
        let [own, repeated, wants, open, open_here] = flags.map(i64::from);
        Self {
            texts: [
                decision.message_id.clone(),
                decision.conversation_id.clone(),
                decision.channel.as_str().to_owned(),
                analysis.language.code.clone(),
                stage,
                repeat_of,
            ],
            numbers: [
                interaction.sent_at.timestamp_micros(),
                own,
                thousandths(analysis.sentiment.score),
                thousandths(analysis.effort),
                repeated,
                wants,
                open,
                open_here,
            ],
        }
    }
}

/// Whether the customer speaks in it, and no machine for them.
fn counts(interaction: &Interaction) -> bool {
    interaction.author == Author::Customer
        && interaction.auto_reply.is_none()
        && interaction.turns.iter().any(|turn| turn.speaker == Author::Customer)
}

fn thousandths(value: f32) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a score of at most 1 in size")]
    let rounded = (f64::from(value) * 1000.0).round() as i64;
    rounded
}

/// The customer is the one that the inbox names: it changes when others turn out to be the same.
const MAP: &str = "INSERT INTO map_contacts (customer, message_id, conversation_id, channel, language, stage, repeat_of, \
        sent_at, counts, sentiment, effort, repeated, wants, open_goals, open_here) \
    SELECT customer, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM inbox WHERE message_id = $1 \
    ON CONFLICT (message_id) DO NOTHING";

/// Writes it. The message's inbox row has to be there; without it nothing is written.
pub(in crate::store) fn map(row: &Mapped) -> Statement<'_> {
    let texts = row.texts.iter().map(|text| Text(text));
    Statement::new(MAP, texts.chain(row.numbers.iter().map(|number| Int(*number))))
}

/// Read in the order of customers; the plus keeps the index on the time out of it, which would sort for every page.
const ROWS: &str = "SELECT customer, message_id, conversation_id, channel, language, stage, repeat_of, \
        sent_at, counts, sentiment, effort, repeated, wants, open_goals, open_here \
    FROM map_contacts WHERE customer >= $1 AND (customer, sent_at, message_id) > ($1, $2, $3) \
        AND +sent_at >= $4 AND +sent_at < $5 \
    ORDER BY customer, sent_at, message_id LIMIT $6";

pub(super) async fn rows(
    link: &mut dyn Link,
    (since, until): (DateTime<Utc>, DateTime<Utc>),
    after: Option<&Row>,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let (customer, message) = after.map_or(("", ""), |row| (&row.customer, &row.message_id));
    let at = after.map_or(i64::MIN, |row| row.at.timestamp_micros());
    let span = (Int(since.timestamp_micros()), Int(until.timestamp_micros()));
    let params = [Text(customer), Int(at), Text(message), span.0, span.1, Int(limit.into())];
    link.rows(ROWS, &params).await?.into_iter().map(row).collect()
}

fn row(row: Vec<Cell>) -> Result<Row, StoreError> {
    let [
        customer,
        message_id,
        conversation_id,
        channel,
        language,
        stage,
        repeat_of,
        sent_at,
        counts,
        sentiment,
        effort,
        repeated,
        wants,
        open,
        open_here,
    ] = cells(row)?;
    let channel = channel.text()?;
    let known = Channel::ALL.into_iter().find(|known| known.as_str() == channel);
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand thousandths")]
    let score = |cell: &Cell| cell.int().map(|thousandths| thousandths as f32 / 1000.0);
    let flag = |cell: &Cell| cell.int().map(|number| number == 1);
    let repeat_of = repeat_of.text()?;
    Ok(Row {
        customer: customer.text()?,
        message_id: message_id.text()?,
        conversation_id: conversation_id.text()?,
        at: time(&sent_at)?,
        channel: known.ok_or_else(|| StoreError::Corrupt(format!("unknown channel {channel}")))?,
        language: language.text()?,
        stage: Stage::from_name(&stage.text()?),
        counts: flag(&counts)?,
        sentiment: score(&sentiment)?,
        effort: score(&effort)?,
        repeated: flag(&repeated)?,
        repeat_of: (!repeat_of.is_empty()).then_some(repeat_of),
        wants: flag(&wants)?,
        open: flag(&open)?,
        open_here: flag(&open_here)?,
    })
}

fn time(cell: &Cell) -> Result<DateTime<Utc>, StoreError> {
    let micros = cell.int()?;
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::Corrupt(format!("{micros} is no time in microseconds")))
}

/// Messages decided before there was a map.
pub(super) const UNMAPPED: &str = "SELECT (SELECT COUNT(*) FROM inbox) - (SELECT COUNT(*) FROM map_contacts)";

const NAME: &str = "SELECT COALESCE(merged_into, customer) FROM customers WHERE customer = $1";

const COUNT: &str = "SELECT COUNT(*) FROM inbox WHERE customer = $1";

const MOMENTS: &str = "SELECT d.message_id, d.decision, d.interaction FROM inbox i \
    JOIN decisions d ON d.decision_id = i.decision_id \
    WHERE i.customer = $1 ORDER BY i.decided_at DESC, i.message_id DESC LIMIT $2";

/// Of the messages that are shown.
const EVENTS: &str = "SELECT o.message_id, o.body FROM (SELECT message_id FROM inbox WHERE customer = $1 \
        ORDER BY decided_at DESC, message_id DESC LIMIT $2) i \
    JOIN outbox o ON o.message_id = i.message_id WHERE o.destination = 'events' ORDER BY o.seq";

/// Somebody's timeline, by any name they went by; of the latest messages, at most so many.
pub(super) async fn timeline(
    link: &mut dyn Link,
    name: &str,
    limit: u32,
) -> Result<Option<Timeline>, StoreError> {
    let Some(found) = link.rows(NAME, &[Text(name)]).await?.into_iter().next() else { return Ok(None) };
    let [customer] = cells(found)?;
    let customer = customer.text()?;
    let count = link.rows(COUNT, &[Text(&customer)]).await?.into_iter().next().unwrap_or_default();
    let [count] = cells(count)?;
    let mut events: BTreeMap<String, Vec<Happened>> = BTreeMap::new();
    for row in link.rows(EVENTS, &[Text(&customer), Int(limit.into())]).await? {
        let [message, body] = cells(row)?;
        events.entry(message.text()?).or_default().push(sql::parsed(body)?);
    }
    let mut moments = Vec::new();
    for row in link.rows(MOMENTS, &[Text(&customer), Int(limit.into())]).await? {
        let [message, decision, interaction] = cells(row)?;
        let events = events.remove(&message.text()?).unwrap_or_default();
        moments.push(moment(sql::parsed(decision)?, &sql::parsed(interaction)?, events));
    }
    let count = u64::try_from(count.int()?).unwrap_or(0);
    Ok(Some(Timeline::of(customer, count, moments)))
}

fn moment(decision: Decision, interaction: &Interaction, events: Vec<Happened>) -> Moment {
    let (analysis, journey) = (decision.analysis, decision.journey);
    let text = interaction.document();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Moment {
        at: interaction.sent_at,
        message_id: decision.message_id,
        conversation_id: decision.conversation_id,
        channel: decision.channel,
        author: interaction.author,
        counts: counts(interaction),
        stage: analysis.stage.map(|stage| stage.name),
        sentiment: analysis.sentiment.label,
        sentiment_score: analysis.sentiment.score,
        effort: analysis.effort,
        intent: analysis.intents.into_iter().next().map(|intent| intent.name),
        experience: journey.experience.score,
        priority: decision.priority.level.as_str().to_owned(),
        queue: decision.route.queue,
        summary: line.chars().take(SUMMARY).collect(),
        events,
        open_goals: journey.open_goals,
        promises: journey.promises,
    }
}
