//! Walking what was decided: a page of past decisions at a time, by time or customer by customer, so that whoever reads
//! a month of them holds no more than a page.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::link::{Cell, Link, Param, cells};
use super::{CustomerState, Store, StoreError};
use crate::interaction::Interaction;
use crate::routing::Decision;
use Param::{Int, Text};

/// Decisions on a page.
const PAGE: u32 = 200;

/// Which past decisions, and in which order. `since` counts, `until` does not; both are times of decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From here on.
    pub since: DateTime<Utc>,
    /// Up to here.
    pub until: DateTime<Utc>,
    /// In this order.
    pub order: Order,
}

/// The order of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Time,
    /// All of a customer together, oldest first.
    Customer,
}

/// A message that was decided, with its first decision: what people corrected since is in the corrections.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Whose it is today: a decision keeps the name that its customer had before others turned out to be the same.
    pub customer: String,
    /// As it was published.
    pub decision: Decision,
    /// The redacted message.
    pub interaction: Interaction,
    at: i64,
}

impl Past {
    /// Where a walk goes on after it.
    pub fn place(&self) -> Place {
        Place {
            customer: self.customer.clone(),
            at: self.at,
            decision: self.decision.decision_id.to_string(),
        }
    }
}

/// A place in a walk: behind one decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    customer: String,
    at: i64,
    decision: String,
}

/// A stored decision that cannot be read: a defect, or somebody else's hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub decision_id: String,
    /// Why.
    pub why: String,
}

/// A page of a walk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PastPage {
    /// What was read.
    pub past: Vec<Past>,
    /// What was not.
    pub unreadable: Vec<Unreadable>,
    /// Behind the last of both; none on an empty page.
    pub last: Option<Place>,
}

/// What a walk could not read so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unread {
    /// How many.
    pub count: u64,
    /// The first of them, at most ten.
    pub first: Vec<Unreadable>,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} stored decisions cannot be read", self.count)?;
        for (place, one) in self.first.iter().enumerate() {
            write!(f, "{} {} ({})", if place == 0 { ":" } else { "," }, one.decision_id, one.why)?;
        }
        if self.count > self.first.len() as u64 { write!(f, ", …") } else { Ok(()) }
    }
}

/// Unreadable decisions that a walk remembers.
const REMEMBERED: usize = 10;

/// A walk over a store.
pub struct Walk {
    store: Arc<dyn Store>,
    span: Span,
    place: Option<Place>,
    over: bool,
    unread: Unread,
}

impl Walk {
    /// Stands before the first decision of the span.
    pub fn new(store: Arc<dyn Store>, span: Span) -> Self {
        Self { store, span, place: None, over: false, unread: Unread::default() }
    }

    /// The next page; none at the end. Decisions that are purged, erased or given to another customer while the walk
    /// goes on may be missing; those that cannot be read are left out and told by [`Walk::unread`].
    pub async fn next(&mut self) -> Result<Option<Vec<Past>>, StoreError> {
        if self.over {
            return Ok(None);
        }
        let page = self.store.past(&self.span, self.place.as_ref(), PAGE).await?;
        self.over = page.past.len() + page.unreadable.len() < PAGE as usize;
        let is_empty = page.last.is_none();
        self.place = page.last;
        self.unread.count += page.unreadable.len() as u64;
        let room = REMEMBERED.saturating_sub(self.unread.first.len());
        self.unread.first.extend(page.unreadable.into_iter().take(room));
        Ok((!is_empty).then_some(page.past))
    }

    /// What could not be read so far; none when all could.
    pub fn unread(&self) -> Option<&Unread> {
        Some(&self.unread).filter(|unread| unread.count > 0)
    }
}

/// A customer as they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Who, and what is known of them.
    pub state: CustomerState,
    /// When their latest message was decided.
    pub updated_at: DateTime<Utc>,
}

/// A customer whose journey cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableJourney {
    /// Whose.
    pub customer: String,
    /// Why.
    pub why: String,
}

impl std::fmt::Display for UnreadableJourney {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the journey of {} cannot be read: {}", self.customer, self.why)
    }
}

const KNOWN: &str = "SELECT customer, epoch, journey, updated_at FROM customers \
    WHERE customer > $1 AND updated_at >= $2 AND updated_at < $3 AND merged_into IS NULL AND epoch > 0 \
    ORDER BY customer LIMIT $4";

/// A page of those whose latest message was decided in the span, in the order of names.
pub(super) async fn known(
    link: &mut dyn Link,
    span: &Span,
    after: &str,
    limit: u32,
) -> Result<Vec<Result<Known, UnreadableJourney>>, StoreError> {
    let (since, until) = (Int(span.since.timestamp_micros()), Int(span.until.timestamp_micros()));
    let rows = link.rows(KNOWN, &[Text(after), since, until, Int(limit.into())]).await?;
    let known = |row: Vec<Cell>| {
        let [customer, epoch, journey, updated] = cells(row)?;
        let micros = updated.int()?;
        let updated_at = DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| StoreError::Corrupt(format!("{micros} is no time in microseconds")))?;
        let journey = super::sql::parsed(journey)?;
        Ok(Known {
            state: CustomerState { customer: customer.text()?, epoch: epoch.int()?, journey },
            updated_at,
        })
    };
    let known = |row: Vec<Cell>| {
        let Some(Ok(customer)) = row.first().cloned().map(Cell::text) else {
            return Err(StoreError::Corrupt("a customer has no name".to_owned()));
        };
        Ok(known(row).map_err(|error| UnreadableJourney { customer, why: why(error) }))
    };
    rows.into_iter().map(known).collect()
}

fn why(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(why) | StoreError::Corrupt(why) | StoreError::Open(why) => why,
    }
}

const BY_TIME: &str = "SELECT i.customer, d.decided_at, d.decision_id, d.decision, d.interaction \
    FROM decisions d JOIN inbox i ON i.decision_id = d.decision_id \
    WHERE d.decided_at >= $1 AND d.decided_at < $2 AND (d.decided_at, d.decision_id) > ($3, $4) \
    ORDER BY d.decided_at, d.decision_id LIMIT $5";

const BY_CUSTOMER: &str = "SELECT i.customer, d.decided_at, d.decision_id, d.decision, d.interaction \
    FROM inbox i JOIN decisions d ON d.decision_id = i.decision_id \
    WHERE d.decided_at >= $1 AND d.decided_at < $2 AND i.customer >= $3 \
        AND (i.customer, d.decided_at, d.decision_id) > ($3, $4, $5) \
    ORDER BY i.customer, d.decided_at, d.decision_id LIMIT $6";

pub(super) async fn page(
    link: &mut dyn Link,
    span: &Span,
    after: Option<&Place>,
    limit: u32,
) -> Result<PastPage, StoreError> {
    let start = Place { at: i64::MIN, ..Place::default() };
    let Place { customer, at, decision } = after.unwrap_or(&start);
    let (since, until) = (Int(span.since.timestamp_micros()), Int(span.until.timestamp_micros()));
    let limit = Int(limit.into());
    let rows = match span.order {
        Order::Time => link.rows(BY_TIME, &[since, until, Int(*at), Text(decision), limit]).await?,
        Order::Customer => {
            let place = [since, until, Text(customer), Int(*at), Text(decision), limit];
            link.rows(BY_CUSTOMER, &place).await?
        }
    };
    let mut page = PastPage::default();
    for row in rows {
        let [customer, at, id, decision, interaction] = cells(row)?;
        let place = Place { customer: customer.text()?, at: at.int()?, decision: id.text()? };
        let read = super::sql::parsed(decision)
            .and_then(|decision| super::sql::parsed(interaction).map(|interaction| (decision, interaction)));
        match read {
            Ok((decision, interaction)) => {
                page.past.push(Past {
                    customer: place.customer.clone(),
                    at: place.at,
                    decision,
                    interaction,
                });
            }
            Err(error) => {
                page.unreadable.push(Unreadable { decision_id: place.decision.clone(), why: why(error) });
            }
        }
        page.last = Some(place);
    }
    Ok(page)
}
