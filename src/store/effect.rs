//! What one message's decision writes, as one whole: inbox, customer, decision, projections, outbox (invariant I1).

use super::link::{Link, Param, Statement};
use super::map::{self, Mapped};
use super::sql::{OUTBOX, json, outbox};
use super::{Effect, OutboxMessage, StoreError, erasure, identity, merge, risk, topics};
use Param::{Int, Text};

/// The stand-in mark is that of the customer's row, written just before.
const BIND_CONVERSATION: &str = "INSERT INTO identities (identity, customer, stand_in) \
    SELECT $1, customer, stand_in FROM customers WHERE customer = $2 ON CONFLICT (identity) DO NOTHING";

const UNBIND: &str = "DELETE FROM identities WHERE identity = $1 \
    AND NOT EXISTS (SELECT 1 FROM customers WHERE customers.customer = identities.customer)";

const INBOX: &str = "INSERT INTO inbox (message_id, customer, decision_id, decided_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (message_id) DO NOTHING";

/// Takes the customer's row lock, and changes nothing when another commit came first.
const UPDATE_CUSTOMER: &str = "UPDATE customers SET epoch = epoch + 1, journey = $2, updated_at = $3 \
    WHERE customer = $1 AND epoch = $4 AND merged_into IS NULL";

const INSERT_CUSTOMER: &str = "INSERT INTO customers (customer, epoch, journey, updated_at, stand_in) \
    SELECT $1, 1, $2, $3, CASE WHEN $4 = 1 OR EXISTS \
        (SELECT 1 FROM identities WHERE customer = $1 AND stand_in = 1) THEN 1 ELSE 0 END \
    WHERE NOT EXISTS (SELECT 1 FROM customers WHERE customer = $1) ON CONFLICT (customer) DO NOTHING";

const DECISION: &str = "INSERT INTO decisions (decision_id, message_id, decided_at, decision, interaction, before) \
    VALUES ($1, $2, $3, $4, $5, $6)";

/// What became of it.
pub(super) enum Written {
    /// With the events of topics that the message brought over the bar.
    All(Vec<OutboxMessage>),
    Duplicate,
    Stale,
    Erased,
}

/// What of an effect is stored as text, made before the transaction begins.
pub(super) struct Rows {
    after: String,
    before: String,
    interaction: String,
    decision: String,
    decision_id: String,
    review: super::console::Projection,
    mapped: Mapped,
}

impl Rows {
    pub fn of(effect: &Effect) -> Result<Self, StoreError> {
        Ok(Self {
            after: json(&effect.after)?,
            before: json(&effect.before.journey)?,
            interaction: json(&effect.interaction)?,
            decision: json(&effect.decision)?,
            decision_id: effect.decision.decision_id.to_string(),
            review: super::console::Projection::of(&effect.decision, &effect.interaction),
            mapped: Mapped::of(&effect.decision, &effect.interaction),
        })
    }
}

/// Writes it into the transaction, or finds that it must not be: then what was begun has to be undone.
pub(super) async fn write(link: &mut dyn Link, effect: &Effect, rows: &Rows) -> Result<Written, StoreError> {
    let (decision, customer) = (&effect.decision, effect.before.customer.as_str());
    let at = Int(decision.decided_at.timestamp_micros());
    let message = Text(&decision.message_id);
    let inbox = [message, Text(customer), Text(&rows.decision_id), at];
    if link.execute(INBOX, &inbox).await? == 0 {
        return Ok(Written::Duplicate);
    }
    let conversation = &effect.interaction.conversation_id;
    // Everybody locks in the order of names.
    let (first, then): (Vec<_>, Vec<_>) =
        effect.absorbed.iter().partition(|absorbed| absorbed.customer.as_str() < customer);
    if !merge::hand_over(link, &first, customer, at).await? {
        return Ok(Written::Stale);
    }
    let changed = if effect.before.epoch == 0 {
        let stands_in = effect.interaction.customer_id.is_none() && customer == conversation;
        let row = [Text(customer), Text(&rows.after), at, Int(stands_in.into())];
        link.execute(INSERT_CUSTOMER, &row).await?
    } else {
        let row = [Text(customer), Text(&rows.after), at, Int(effect.before.epoch)];
        link.execute(UPDATE_CUSTOMER, &row).await?
    };
    if changed == 0 || !merge::hand_over(link, &then, customer, at).await? {
        return Ok(Written::Stale);
    }
    for absorbed in &effect.absorbed {
        merge::rebind(link, &absorbed.customer, customer).await?;
    }
    if effect.interaction.customer_id.is_some() {
        merge::vouch(link, &effect.interaction.identities, customer).await?;
    }
    // Behind the customer's lock: an erasure has either left its marks or waits for this commit and removes it.
    if let Some(traces) = &effect.traces
        && erasure::is_erased(link, traces).await?
    {
        return Ok(Written::Erased);
    }
    let made_from = [Text(&rows.decision), Text(&rows.interaction), Text(&rows.before)];
    let [body, interaction, before] = made_from;
    let made = [Text(&rows.decision_id), message, at, body, interaction, before];
    let mut statements = vec![Statement::new(DECISION, made), map::map(&rows.mapped), risk::keep(decision)];
    statements.extend(super::console::project(&rows.review));
    statements.extend(outbox(&decision.message_id, decision.decided_at, &effect.outbox));
    let key = identity::conversation_key(conversation);
    if customer != conversation {
        statements.push(Statement::new(BIND_CONVERSATION, [Text(&key), Text(customer)]));
    }
    link.execute_each(&statements).await?;
    Ok(Written::All(topics::count(link, effect, OUTBOX).await?))
}

/// Takes back what looking an erased customer up has bound, unless the customer is there again.
pub(super) async fn unbind(link: &mut dyn Link, effect: &Effect) -> Result<(), StoreError> {
    let conversation = identity::conversation_key(&effect.interaction.conversation_id);
    for bound in effect.interaction.identities.iter().chain([&conversation]) {
        link.execute(UNBIND, &[Text(bound)]).await?;
    }
    Ok(())
}
