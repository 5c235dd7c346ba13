//! What messages are about, hour by hour, and the topics that went over their bar. Counts are part of a message's
//! commit, so a redelivery counts nothing; they hold neither texts nor names, only topics. What a spike shows of
//! messages comes from the decisions, and goes when those go.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::link::{Link, Param, cells};
use super::{Destination, Effect, OutboxMessage, StoreError};
use crate::interaction::Interaction;
use crate::journey::Change;
use crate::journey::spikes::{self, Bar, EXAMPLES, Example, Past, Topic, hour_begins, hour_of};
use crate::routing::Decision;
use crate::routing::event::{self, Event};
use Param::{Int, Text};

/// Latest decisions among which examples are looked for.
const LOOKED_AT: i64 = 300;
/// Hours shown with a spike, its own the last.
const SHOWN: i64 = 24;

/// A topic of a message: one more in its hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Which.
    pub topic: Topic,
    /// Hour in which the message was sent, since 1970.
    pub hour: i64,
    /// From where on that is a spike; none while too little is known.
    pub bar: Option<Bar>,
}

/// A topic that went over its bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Spike {
    /// Which.
    pub topic: Topic,
    /// Beginning of the hour.
    pub since: DateTime<Utc>,
    /// When it was noticed.
    pub raised_at: DateTime<Utc>,
    /// Messages in that hour by now.
    pub count: u64,
    /// What was to be expected.
    pub expected: f64,
    /// Messages in each of the 24 hours up to and with that one.
    pub hours: Vec<u64>,
    /// Messages that are still kept.
    pub examples: Vec<Example>,
}

macro_rules! count_sql {
    ($rows:literal) => {
        concat!(
            "INSERT INTO topic_hours (topic, hour, messages) VALUES ",
            $rows,
            " ON CONFLICT (topic, hour) DO UPDATE SET messages = topic_hours.messages + 1 \
             RETURNING topic, messages"
        )
    };
}

/// One more for so many topics at once, the first parameter their hour: a message costs one statement.
const COUNT: [&str; 5] = [
    count_sql!("($2, $1, 1)"),
    count_sql!("($2, $1, 1), ($3, $1, 1)"),
    count_sql!("($2, $1, 1), ($3, $1, 1), ($4, $1, 1)"),
    count_sql!("($2, $1, 1), ($3, $1, 1), ($4, $1, 1), ($5, $1, 1)"),
    count_sql!("($2, $1, 1), ($3, $1, 1), ($4, $1, 1), ($5, $1, 1), ($6, $1, 1)"),
];

const RAISE: &str = "INSERT INTO topic_spikes (event_id, topic, hour, raised_at, expected) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (topic, hour) DO NOTHING";

const EXAMPLE: &str = "INSERT INTO topic_examples (event_id, place, message_id) VALUES ($1, $2, $3)";

const LATEST: &str = "SELECT i.customer, d.decision, d.interaction \
    FROM decisions d JOIN inbox i ON i.decision_id = d.decision_id \
    WHERE d.decided_at >= $1 ORDER BY d.decided_at DESC, d.decision_id LIMIT $2";

const PAST: &str = "SELECT hour, messages FROM topic_hours WHERE topic = $1 AND hour >= $2 AND hour < $3";

const BEGUN: &str = "SELECT MIN(hour) FROM topic_hours WHERE hour >= $1";

const SPIKES: &str = "SELECT event_id, topic, hour, raised_at, expected FROM topic_spikes \
    WHERE hour >= $1 AND hour < $2 ORDER BY hour DESC, raised_at DESC, topic LIMIT $3";

const EXAMPLES_OF: &str = "SELECT d.interaction FROM topic_examples e \
    JOIN inbox i ON i.message_id = e.message_id JOIN decisions d ON d.decision_id = i.decision_id WHERE e.event_id = $1 ORDER BY e.place";

/// Events of others that show a message of this customer.
const SHOWN_IN: &str = "SELECT o.id, o.body FROM outbox o WHERE o.id IN \
    (SELECT e.event_id FROM topic_examples e JOIN inbox i ON i.message_id = e.message_id WHERE i.customer = $1)";

/// Spikes whose event would go unpublished with this customer's messages: the next message raises them again.
const UNTOLD: [&str; 2] = [
    "DELETE FROM topic_examples WHERE event_id IN (SELECT o.id FROM outbox o \
        JOIN inbox i ON i.message_id = o.message_id WHERE i.customer = $1 AND o.sent_at IS NULL)",
    "DELETE FROM topic_spikes WHERE event_id IN (SELECT o.id FROM outbox o \
        JOIN inbox i ON i.message_id = o.message_id WHERE i.customer = $1 AND o.sent_at IS NULL)",
];

/// What is older than the counts that are kept.
pub(super) const OLD: [&str; 3] = [
    "DELETE FROM topic_examples WHERE event_id IN (SELECT event_id FROM topic_spikes WHERE hour < $1)",
    "DELETE FROM topic_spikes WHERE hour < $1",
    "DELETE FROM topic_hours WHERE hour < $1",
];

/// Counts a message under its topics; the events of those that it brought over the bar. To be done last in the
/// transaction: from here to its end nobody else counts the same topic, so that every count is seen exactly once.
pub(super) async fn count(
    link: &mut dyn Link,
    effect: &Effect,
    outbox: &'static str,
) -> Result<Vec<OutboxMessage>, StoreError> {
    let mut raised = Vec::new();
    let mut counts = BTreeMap::new();
    let Some(hour) = effect.topics.first().map(|first| first.hour) else { return Ok(raised) };
    for topics in effect.topics.chunks(COUNT.len()) {
        let Some(sql) = COUNT.get(topics.len() - 1) else { continue };
        let keys = topics.iter().map(|counted| Text(counted.topic.key()));
        let params: Vec<Param<'_>> = std::iter::once(Int(hour)).chain(keys).collect();
        for row in link.rows(sql, &params).await? {
            let [topic, count] = cells(row)?;
            counts.insert(topic.text()?, u64::try_from(count.int()?).unwrap_or(0));
        }
    }
    for Counted { topic, hour, bar } in &effect.topics {
        let count = counts.get(topic.key()).copied().unwrap_or(0);
        let Some(bar) = bar.filter(|bar| count >= bar.needed) else { continue };
        let event_id = topic.event_id(*hour);
        let id = event_id.to_string();
        let at = Int(effect.decision.decided_at.timestamp_micros());
        let expected = Int(thousandths(bar.expected));
        let spike = [Text(&id), Text(topic.key()), Int(*hour), at, expected];
        if link.execute(RAISE, &spike).await? == 0 {
            continue;
        }
        let examples = examples(link, topic, *hour).await?;
        for (place, example) in (0..).zip(&examples) {
            link.execute(EXAMPLE, &[Text(&id), Int(place), Text(&example.message_id)]).await?;
        }
        let message = event(&effect.decision, topic, *hour, count, bar.expected, examples, event_id)?;
        let destination = Text(super::sql::destination_name(message.destination));
        let decided = Text(&effect.decision.message_id);
        let row = [Text(&id), decided, destination, Text(&message.routing_key), Text(&message.body), at];
        link.execute(outbox, &row).await?;
        raised.push(message);
    }
    Ok(raised)
}

fn event(
    decision: &Decision,
    topic: &Topic,
    hour: i64,
    count: u64,
    expected: f64,
    examples: Vec<Example>,
    event_id: Uuid,
) -> Result<OutboxMessage, StoreError> {
    let change = Change::TopicSpike {
        topic: topic.name().to_owned(),
        kind: topic.kind(),
        since: hour_begins(hour),
        count,
        expected: (expected * 1000.0).round() / 1000.0,
        ratio: spikes::ratio(count, expected),
        examples,
    };
    let name = change.name();
    let body = serde_json::to_string(&Event::of(decision, event_id, change))
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(OutboxMessage {
        id: event_id.to_string(),
        destination: Destination::Events,
        routing_key: event::routing_key(decision, name),
        body,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "counts far below 2^52")]
fn thousandths(expected: f64) -> i64 {
    (expected * 1000.0).round() as i64
}

/// Messages of the hour about the topic among the latest decided, one of a customer.
async fn examples(link: &mut dyn Link, topic: &Topic, hour: i64) -> Result<Vec<Example>, StoreError> {
    let mut found = Vec::new();
    let mut customers = BTreeSet::new();
    let since = hour_begins(hour).timestamp_micros();
    for row in link.rows(LATEST, &[Int(since), Int(LOOKED_AT)]).await? {
        let [customer, decision, interaction] = cells(row)?;
        let customer = customer.text()?;
        // One that cannot be read is no example; it is not this message's fault.
        let (Ok(interaction), Ok(decision)) =
            (super::sql::parsed::<Interaction>(interaction), super::sql::parsed::<Decision>(decision))
        else {
            continue;
        };
        if hour_of(interaction.sent_at) == hour
            && topic.covers(&interaction, &decision.analysis.intents)
            && customers.insert(customer)
        {
            found.push(Example::of(&interaction));
            if found.len() == EXAMPLES {
                break;
            }
        }
    }
    Ok(found)
}

pub(super) async fn past(
    link: &mut dyn Link,
    topic: &Topic,
    from: i64,
    until: i64,
) -> Result<Past, StoreError> {
    let begun = link.rows(BEGUN, &[Int(from)]).await?.into_iter().next().unwrap_or_default();
    let [begun] = cells(begun)?;
    let rows = link.rows(PAST, &[Text(topic.key()), Int(from), Int(until)]).await?;
    let counts = rows.into_iter().map(|row| {
        let [hour, messages] = cells(row)?;
        Ok((hour.int()?, u64::try_from(messages.int()?).unwrap_or(0)))
    });
    Ok(Past { begun: begun.int().ok(), counts: counts.collect::<Result<_, StoreError>>()? })
}

/// The latest so many of a span.
pub(super) async fn list(
    link: &mut dyn Link,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<Spike>, StoreError> {
    let mut spikes = Vec::new();
    for row in
        link.rows(SPIKES, &[Int(hour_of(since)), Int(until.map_or(i64::MAX, hour_of)), Int(limit)]).await?
    {
        let [id, topic, hour, raised_at, expected] = cells(row)?;
        let (id, topic, hour) = (id.text()?, Topic::from_key(topic.text()?), hour.int()?);
        let Past { counts, .. } = past(link, &topic, hour + 1 - SHOWN, hour + 1).await?;
        let of = |hour: i64| counts.iter().find(|(at, _)| *at == hour).map_or(0, |(_, count)| *count);
        let mut examples = Vec::new();
        for row in link.rows(EXAMPLES_OF, &[Text(&id)]).await? {
            let [interaction] = cells(row)?;
            examples.push(Example::of(&super::sql::parsed(interaction)?));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let expected = expected.int()? as f64 / 1000.0;
        spikes.push(Spike {
            since: hour_begins(hour),
            raised_at: DateTime::from_timestamp_micros(raised_at.int()?).unwrap_or_default(),
            count: of(hour),
            expected,
            hours: (hour + 1 - SHOWN..=hour).map(of).collect(),
            examples,
            topic,
        });
    }
    Ok(spikes)
}

/// Takes a customer's messages out of the events of others. Before the messages themselves go.
pub(super) async fn erase(
    link: &mut dyn Link,
    customer: &str,
    messages: &BTreeSet<String>,
) -> Result<(), StoreError> {
    for untold in UNTOLD {
        link.execute(untold, &[Text(customer)]).await?;
    }
    for row in link.rows(SHOWN_IN, &[Text(customer)]).await? {
        let [id, body] = cells(row)?;
        let (id, body) = (id.text()?, body.text()?);
        let body = without(&body, messages)?;
        link.execute("UPDATE outbox SET body = $2 WHERE id = $1", &[Text(&id), Text(&body)]).await?;
    }
    Ok(())
}

fn without(body: &str, messages: &BTreeSet<String>) -> Result<String, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let mut event: serde_json::Value = serde_json::from_str(body).map_err(corrupt)?;
    if let Some(examples) = event.get_mut("examples").and_then(serde_json::Value::as_array_mut) {
        examples.retain(|example| {
            example.get("message_id").and_then(|id| id.as_str()).is_none_or(|id| !messages.contains(id))
        });
    }
    serde_json::to_string(&event).map_err(corrupt)
}
