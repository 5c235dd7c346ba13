//! Two customers become one: what is known of a message's identities as of now, and the statements that make a former
//! customer's name lead to the one they are. The row of the former one stays, empty and with a higher epoch: whoever
//! still works on it finds its commit refused and looks up again.

use super::identity::{self, Binding, Known};
use super::link::{Link, Param, cells};
use super::{CustomerState, StoreError};
use crate::journey::Journey;
use Param::{Int, Text};

const MERGED: &str = "SELECT merged_into FROM customers WHERE customer = $1 AND merged_into IS NOT NULL";

const BINDING: &str = "SELECT COALESCE(o.merged_into, i.customer), COALESCE(t.stand_in, i.stand_in), i.vouched \
    FROM identities i LEFT JOIN customers o ON o.customer = i.customer \
    LEFT JOIN customers t ON t.customer = COALESCE(o.merged_into, i.customer) WHERE i.identity = $1";

/// A conversation that is or was a customer of its own.
const OWN: &str = "SELECT COALESCE(c.merged_into, c.customer), COALESCE(t.stand_in, c.stand_in), c.stand_in - c.stand_in + 1 \
    FROM customers c LEFT JOIN customers t ON t.customer = c.merged_into \
    WHERE c.customer = $1 AND (c.stand_in = 1 OR c.merged_into IS NOT NULL)";

const HAND_OVER: &str = "UPDATE customers SET epoch = epoch + 1, journey = $2, stand_in = 0, merged_into = $3, \
    updated_at = $4 WHERE customer = $1 AND epoch = $5 AND merged_into IS NULL";

/// For somebody of whom nothing but identities is known.
const HAND_OVER_NAME: &str = "INSERT INTO customers (customer, epoch, journey, stand_in, merged_into, updated_at) \
    VALUES ($1, 1, $2, 0, $3, $4) ON CONFLICT (customer) DO NOTHING";

const REBIND: &str = "UPDATE identities SET customer = $2, \
    stand_in = (SELECT stand_in FROM customers WHERE customers.customer = $2) WHERE customer = $1";

/// What is known of a message's customer.
pub(super) async fn known(
    link: &mut dyn Link,
    customer_id: Option<&str>,
    conversation_id: &str,
    identities: &[String],
) -> Result<Known, StoreError> {
    let mut known = Known {
        conversation: binding(link, BINDING, &identity::conversation_key(conversation_id)).await?,
        own: binding(link, OWN, conversation_id).await?,
        ..Known::default()
    };
    if let Some(id) = customer_id
        && let Some(row) = link.rows(MERGED, &[Text(id)]).await?.into_iter().next()
    {
        let [merged_into] = cells(row)?;
        known.named = Some(merged_into.text()?);
    }
    for identity in identities {
        known.identities.push((identity.clone(), binding(link, BINDING, identity).await?));
    }
    Ok(known)
}

async fn binding(link: &mut dyn Link, sql: &'static str, key: &str) -> Result<Option<Binding>, StoreError> {
    let Some(row) = link.rows(sql, &[Text(key)]).await?.into_iter().next() else { return Ok(None) };
    let [customer, stand_in, vouched] = cells(row)?;
    let (stand_in, vouched) = (stand_in.int()? == 1, vouched.int()? == 1);
    Ok(Some(Binding { customer: customer.text()?, stand_in, vouched }))
}

/// A message that names its customer carried these.
pub(super) async fn vouch(
    link: &mut dyn Link,
    identities: &[String],
    customer: &str,
) -> Result<(), StoreError> {
    let vouch = "UPDATE identities SET vouched = 1 WHERE identity = $1 AND customer = $2 AND vouched = 0";
    for identity in identities {
        link.execute(vouch, &[Text(identity), Text(customer)]).await?;
    }
    Ok(())
}

/// Empties the rows of former customers, whose histories the commit carries, and makes their names lead to `customer`.
/// `false` when one of them has changed since it was loaded.
pub(super) async fn hand_over(
    link: &mut dyn Link,
    former: &[&CustomerState],
    customer: &str,
    at: Param<'_>,
) -> Result<bool, StoreError> {
    let mut former = former.to_vec();
    former.sort_unstable_by_key(|state| &state.customer);
    let empty =
        serde_json::to_string(&Journey::default()).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    for state in former {
        let row = [Text(&state.customer), Text(&empty), Text(customer), at];
        let changed = match state.epoch {
            0 => link.execute(HAND_OVER_NAME, &row).await?,
            epoch => {
                let [name, journey, into, at] = row;
                link.execute(HAND_OVER, &[name, journey, into, at, Int(epoch)]).await?
            }
        };
        if changed == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives a former customer's messages, identities and earlier names to the customer, whose row is written already.
pub(super) async fn rebind(link: &mut dyn Link, former: &str, customer: &str) -> Result<(), StoreError> {
    let both = [Text(former), Text(customer)];
    link.execute("UPDATE inbox SET customer = $2 WHERE customer = $1", &both).await?;
    link.execute("UPDATE map_contacts SET customer = $2 WHERE customer = $1", &both).await?;
    // The message that brings them together writes the customer's anew.
    link.execute("DELETE FROM customer_risks WHERE customer = $1", &both[..1]).await?;
    let asked = "UPDATE erasure_requests SET customer = $2 WHERE customer = $1 \
        AND NOT EXISTS (SELECT 1 FROM erasure_requests WHERE customer = $2)";
    link.execute(asked, &both).await?;
    link.execute("DELETE FROM erasure_requests WHERE customer = $1", &both[..1]).await?;
    link.execute(REBIND, &both).await?;
    link.execute("UPDATE customers SET merged_into = $2 WHERE merged_into = $1", &both).await?;
    Ok(())
}
