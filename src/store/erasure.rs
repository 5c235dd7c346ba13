//! Erasing a customer: what is removed, and the keyed hashes that remain so that a late delivery does not bring the
//! customer back. Nothing here can be read back to a name: marks are HMACs under the installation's own key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

use super::link::{Cell, Link, Param, cells};
use super::{StoreError, alone, identity, topics};
use crate::interaction::Interaction;
use Param::{Int, Text};

/// Makes marks. The key is the one that identities are hashed with; it never shows.
#[derive(Clone)]
pub struct MarkKey(Arc<[u8]>);

impl std::fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkKey(…)")
    }
}

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message id.
    Message,
    /// A customer id.
    Customer,
    /// A conversation id.
    Conversation,
    /// An identity's keyed hash.
    Identity,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Customer => "customer",
            Self::Conversation => "conversation",
            Self::Identity => "identity",
        }
    }
}

impl MarkKey {
    /// From the secret that keys the hashes of identities.
    pub fn new(secret: Arc<[u8]>) -> Self {
        Self(secret)
    }

    /// The mark of an id, lower-case hex.
    pub fn mark(&self, kind: Kind, id: &str) -> String {
        // HMAC takes keys of any length; were it not so, an empty mark would match nothing that is stored.
        let Ok(mut mac) = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.0) else { return String::new() };
        for part in ["smista.erased", kind.name(), id] {
            mac.update(part.as_bytes());
            mac.update(b"\0");
        }
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// By what a message would be known again. Who names a customer is judged by that name alone: a conversation or an
    /// address may be shared with somebody erased.
    pub fn traces(&self, interaction: &Interaction) -> Traces {
        let who = match &interaction.customer_id {
            Some(customer) => vec![self.mark(Kind::Customer, customer)],
            None => {
                let conversation = self.mark(Kind::Conversation, &interaction.conversation_id);
                let identities = interaction.identities.iter();
                let identities = identities.map(|identity| self.mark(Kind::Identity, identity));
                std::iter::once(conversation).chain(identities).collect()
            }
        };
        let message = self.mark(Kind::Message, &interaction.message_id);
        Traces { message, who, sent_at: interaction.sent_at }
    }
}

/// By what a message of an erased customer is known again: its own mark whenever it comes, the others while it was sent
/// before the erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Mark of its id.
    pub message: String,
    /// Marks of whom it is from.
    pub who: Vec<String>,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

/// Whom to erase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The customer's id.
    pub customer: Option<String>,
    /// Keyed hashes of identities that are theirs.
    pub identities: Vec<String>,
}

/// What an erasure removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// Its record in the store.
    pub erasure_id: Uuid,
    /// Rows by table.
    pub tables: BTreeMap<&'static str, u64>,
    /// Decisions and events among them that were not published yet.
    pub unpublished: u64,
    /// Marks of everything of the customer, those of earlier erasures included.
    pub marks: BTreeSet<String>,
    /// Customers whom one of the identities belongs to, beside the one named. Nothing was removed.
    pub shared_with: Vec<String>,
}

impl Erased {
    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.tables.values().sum()
    }
}

/// Everything of the subject, by name: stays in memory.
#[derive(Debug, Default)]
struct Found {
    customers: BTreeSet<String>,
    conversations: BTreeSet<String>,
    identities: BTreeSet<String>,
    messages: BTreeSet<String>,
    shared_with: Vec<String>,
}

/// What of a stored interaction says whose it is.
#[derive(Deserialize)]
struct Named {
    conversation_id: String,
    #[serde(default)]
    identities: Vec<String>,
}

/// The tables a customer is in, with how to count and to empty them; those not emptied go with their inbox row.
const TABLES: [(&str, &str, Option<&str>); 8] = [
    (
        "customers",
        "SELECT COUNT(*) FROM customers WHERE customer = $1",
        Some("DELETE FROM customers WHERE customer = $1"),
    ),
    (
        "corrections",
        "SELECT COUNT(*) FROM corrections c JOIN inbox i ON i.message_id = c.message_id WHERE i.customer = $1",
        None,
    ),
    (
        "outbox",
        "SELECT COUNT(*) FROM outbox o JOIN inbox i ON i.message_id = o.message_id WHERE i.customer = $1",
        None,
    ),
    (
        "decisions",
        "SELECT COUNT(*) FROM decisions d JOIN inbox i ON i.message_id = d.message_id WHERE i.customer = $1",
        None,
    ),
    (
        "topic_examples",
        "SELECT COUNT(*) FROM topic_examples e JOIN inbox i ON i.message_id = e.message_id WHERE i.customer = $1",
        Some(
            "DELETE FROM topic_examples WHERE message_id IN (SELECT message_id FROM inbox WHERE customer = $1)",
        ),
    ),
    (
        "erasure_requests",
        "SELECT COUNT(*) FROM erasure_requests WHERE customer = $1",
        Some("DELETE FROM erasure_requests WHERE customer = $1"),
    ),
    (
        "inbox",
        "SELECT COUNT(*) FROM inbox WHERE customer = $1",
        Some("DELETE FROM inbox WHERE customer = $1"),
    ),
    (
        "identities",
        "SELECT COUNT(*) FROM identities WHERE customer = $1",
        Some("DELETE FROM identities WHERE customer = $1"),
    ),
];

const UNPUBLISHED: &str = "SELECT COUNT(*) FROM outbox o JOIN inbox i ON i.message_id = o.message_id \
    WHERE i.customer = $1 AND o.sent_at IS NULL";

/// Waits for a commit under way that makes this customer, so that it is removed with the rest.
const PLACEHOLDER: &str = "INSERT INTO customers (customer, epoch, journey, stand_in, updated_at) \
    VALUES ($1, 0, '{}', 0, 0) ON CONFLICT (customer) DO NOTHING";

const MARK: &str = "INSERT INTO erased (mark, owner, erased_at) VALUES ($1, $2, $3) \
    ON CONFLICT (mark) DO UPDATE SET owner = $2, erased_at = $3";

const RECORD: &str = "INSERT INTO erasures (erasure_id, customer, erased_at, counts) VALUES ($1, $2, $3, $4)";

/// Removes, in the transaction of `link`, everything of the subject and leaves marks and a record; `None` for `at` only
/// looks.
pub(super) async fn erase(
    link: &mut dyn Link,
    subject: &Subject,
    key: &MarkKey,
    at: Option<DateTime<Utc>>,
) -> Result<Erased, StoreError> {
    let mut found = find(link, subject).await?;
    let mut erased = Erased { shared_with: std::mem::take(&mut found.shared_with), ..Erased::default() };
    if !erased.shared_with.is_empty() {
        return Ok(erased);
    }
    let named = marks_of(key, &found);
    let owner = match (&subject.customer, subject.identities.first()) {
        (Some(customer), _) => key.mark(Kind::Customer, customer),
        (None, Some(identity)) => key.mark(Kind::Identity, identity),
        (None, None) => return Ok(erased),
    };
    let mut owners = BTreeSet::new();
    for mark in &named {
        for row in link.rows("SELECT owner FROM erased WHERE mark = $1", &[Text(mark)]).await? {
            let [earlier] = cells(row)?;
            owners.insert(earlier.text()?);
        }
    }
    if let Some(at) = at {
        let at = Int(at.timestamp_micros());
        for earlier in &owners {
            let adopt = "UPDATE erased SET owner = $2, erased_at = $3 WHERE owner = $1";
            link.execute(adopt, &[Text(earlier), Text(&owner), at]).await?;
        }
        for mark in &named {
            link.execute(MARK, &[Text(mark), Text(&owner), at]).await?;
        }
        owners = BTreeSet::from([owner.clone()]);
    }
    erased.marks = named;
    for owner in &owners {
        for row in link.rows("SELECT mark FROM erased WHERE owner = $1", &[Text(owner)]).await? {
            let [mark] = cells(row)?;
            erased.marks.insert(mark.text()?);
        }
    }
    count_and_remove(link, subject, &found, &mut erased, at.is_some()).await?;
    if let Some(at) = at {
        erased.erasure_id = Uuid::now_v7();
        // Notes of messages at work name no customer. Those that are not kept fresh go, whosever they are; a message that
        // killed workers is found again at the cost of one more.
        link.execute(alone::STALE, &[Int((at - alone::FRESH).timestamp_micros())]).await?;
        let (id, counts) = (erased.erasure_id.to_string(), counts_json(&erased.tables, None)?);
        link.execute(RECORD, &[Text(&id), Text(&owner), Int(at.timestamp_micros()), Text(&counts)]).await?;
    }
    Ok(erased)
}

async fn count_and_remove(
    link: &mut dyn Link,
    subject: &Subject,
    found: &Found,
    erased: &mut Erased,
    remove: bool,
) -> Result<(), StoreError> {
    for name in &found.customers {
        let customer = [Text(name)];
        for (table, count, _) in TABLES {
            *erased.tables.entry(table).or_default() += counted(link, count, &customer).await?;
        }
        erased.unpublished += counted(link, UNPUBLISHED, &customer).await?;
        if remove {
            link.execute(PLACEHOLDER, &customer).await?;
            topics::erase(link, name, &found.messages).await?;
            for (.., delete) in TABLES {
                if let Some(delete) = delete {
                    link.execute(delete, &customer).await?;
                }
            }
        }
    }
    // Bound to nobody who is removed above only when bound to nobody at all; still, a name is a name.
    for identity in subject.identities.iter().filter(|_| remove) {
        link.execute("DELETE FROM identities WHERE identity = $1", &[Text(identity)]).await?;
    }
    Ok(())
}

/// What an erasure has removed, as its record keeps it.
pub(super) fn counts_json(
    tables: &BTreeMap<&'static str, u64>,
    queues: Option<&BTreeMap<String, u64>>,
) -> Result<String, StoreError> {
    serde_json::to_string(&serde_json::json!({ "tables": tables, "queues": queues }))
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn marks_of(key: &MarkKey, found: &Found) -> BTreeSet<String> {
    let kinds = [
        (Kind::Message, &found.messages),
        (Kind::Customer, &found.customers),
        (Kind::Conversation, &found.conversations),
        (Kind::Identity, &found.identities),
    ];
    kinds.into_iter().flat_map(|(kind, ids)| ids.iter().map(move |id| key.mark(kind, id))).collect()
}

async fn counted(link: &mut dyn Link, sql: &'static str, params: &[Param<'_>]) -> Result<u64, StoreError> {
    let row = link.rows(sql, params).await?.into_iter().next().unwrap_or_default();
    let [count] = cells(row)?;
    Ok(u64::try_from(count.int()?).unwrap_or(0))
}

/// Whom the subject is known as: the id, whom the identities are bound to, and conversations that still stand in.
async fn find(link: &mut dyn Link, subject: &Subject) -> Result<Found, StoreError> {
    let mut found = Found { identities: subject.identities.iter().cloned().collect(), ..Found::default() };
    if let Some(customer) = &subject.customer {
        found.customers.insert(customer.clone());
        names(link, &mut found).await?;
    }
    for identity in &subject.identities {
        let bound = link
            .rows("SELECT customer, stand_in FROM identities WHERE identity = $1", &[Text(identity)])
            .await?;
        for row in bound {
            let [customer, stand_in] = cells(row)?;
            let (customer, stands_in) = (customer.text()?, stand_in.int()? == 1);
            let other = subject.customer.is_some() && !found.customers.contains(&customer);
            if other && !stands_in {
                found.shared_with.push(customer);
            } else {
                found.customers.insert(customer);
            }
        }
    }
    let mut followed = BTreeSet::new();
    loop {
        names(link, &mut found).await?;
        let Some(customer) = found.customers.difference(&followed).next().cloned() else { break };
        for conversation in follow(link, &customer, &mut found).await? {
            let stands_in = "SELECT COUNT(*) FROM customers WHERE customer = $1 AND stand_in = 1";
            if !found.customers.contains(&conversation)
                && counted(link, stands_in, &[Text(&conversation)]).await? > 0
            {
                found.customers.insert(conversation.clone());
            }
            found.conversations.insert(conversation);
        }
        followed.insert(customer);
    }
    Ok(found)
}

/// The names that lead to the customers found, and those that theirs lead to: all are one person's. What a customer who
/// was merged is called may be a conversation.
async fn names(link: &mut dyn Link, found: &mut Found) -> Result<(), StoreError> {
    let mut waiting: Vec<String> = found.customers.iter().cloned().collect();
    while let Some(customer) = waiting.pop() {
        let sql = "SELECT customer, merged_into FROM customers \
            WHERE (customer = $1 OR merged_into = $1) AND merged_into IS NOT NULL";
        for row in link.rows(sql, &[Text(&customer)]).await? {
            let [former, present]: [Cell; 2] = cells(row)?;
            let former = former.text()?;
            found.conversations.insert(former.clone());
            for name in [former, present.text()?] {
                if found.customers.insert(name.clone()) {
                    waiting.push(name);
                }
            }
        }
    }
    Ok(())
}

/// Everything bound to one customer, and the conversations among it.
async fn follow(link: &mut dyn Link, customer: &str, found: &mut Found) -> Result<Vec<String>, StoreError> {
    let mut conversations = Vec::new();
    let prefix = identity::conversation_key("");
    for row in link.rows("SELECT identity FROM identities WHERE customer = $1", &[Text(customer)]).await? {
        let [identity] = cells(row)?;
        let identity = identity.text()?;
        match identity.strip_prefix(&prefix) {
            Some(conversation) => conversations.push(conversation.to_owned()),
            None => {
                found.identities.insert(identity);
            }
        }
    }
    let stands_in = "SELECT COUNT(*) FROM customers WHERE customer = $1 AND stand_in = 1";
    if counted(link, stands_in, &[Text(customer)]).await? > 0 {
        conversations.push(customer.to_owned());
    }
    let messages = "SELECT i.message_id, d.interaction FROM inbox i \
        LEFT JOIN decisions d ON d.message_id = i.message_id WHERE i.customer = $1";
    for row in link.rows(messages, &[Text(customer)]).await? {
        let [message, interaction] = cells(row)?;
        found.messages.insert(message.text()?);
        if let Cell::Text(interaction) = interaction {
            // What cannot be read is removed all the same; only its marks are fewer.
            if let Ok(named) = serde_json::from_str::<Named>(&interaction) {
                conversations.push(named.conversation_id);
                found.identities.extend(named.identities);
            }
        }
    }
    Ok(conversations)
}

/// Whether a message with these traces belongs to somebody erased.
pub(super) async fn is_erased(link: &mut dyn Link, traces: &Traces) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM erased WHERE mark = $1 OR (mark = $2 AND erased_at >= $3)";
    let (message, sent) = (Text(&traces.message), Int(traces.sent_at.timestamp_micros()));
    for who in &traces.who {
        if counted(link, sql, &[message, Text(who), sent]).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Channel, sample};

    #[test]
    fn marks_tell_ids_kinds_and_keys_apart_and_show_none_of_them() {
        let key = MarkKey::new(Arc::from(b"one".as_slice()));
        let other = MarkKey::new(Arc::from(b"two".as_slice()));
        let mark = key.mark(Kind::Customer, "c-1");
        assert_eq!(mark, key.mark(Kind::Customer, "c-1"));
        for different in [
            key.mark(Kind::Customer, "c-2"),
            key.mark(Kind::Message, "c-1"),
            other.mark(Kind::Customer, "c-1"),
        ] {
            assert_ne!(mark, different);
        }
        assert!(mark.len() == 64 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(format!("{key:?}"), "MarkKey(…)");
    }

    #[test]
    fn a_named_customer_is_judged_by_that_name() {
        let key = MarkKey::new(Arc::from(b"one".as_slice()));
        let mut interaction = sample(Channel::Chat, "hello").unwrap();
        interaction.identities = vec!["hash".to_owned()];
        interaction.customer_id = Some("c-1".to_owned());
        assert_eq!(key.traces(&interaction).who, [key.mark(Kind::Customer, "c-1")]);
        interaction.customer_id = None;
        assert_eq!(key.traces(&interaction).who.len(), 2);
    }
}
