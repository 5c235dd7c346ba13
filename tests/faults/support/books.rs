//! What the worker's database says at the end, read past the worker: one effect per message, in order, nothing unsent.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::ledger::Book;

/// The rows that matter.
#[derive(Debug, Default)]
pub struct Stored {
    /// Contacts folded in before each message took effect, from the state its decision was made from.
    before: HashMap<String, u64>,
    /// Commits on each customer.
    epochs: HashMap<String, i64>,
    pub unsent: i64,
}

const BEFORE: &str = "SELECT message_id, before FROM decisions";
const EPOCHS: &str = "SELECT customer, epoch FROM customers";
const UNSENT: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL";

macro_rules! read {
    ($connection:expr) => {{
        let mut connection = $connection;
        let mut stored = Stored::default();
        for row in sqlx::query(BEFORE).fetch_all(&mut connection).await? {
            let before: Value = serde_json::from_str(row.get(1)).unwrap_or_default();
            stored.before.insert(row.get(0), before["total_contacts"].as_u64().unwrap_or(u64::MAX));
        }
        for row in sqlx::query(EPOCHS).fetch_all(&mut connection).await? {
            stored.epochs.insert(row.get(0), row.get(1));
        }
        stored.unsent = sqlx::query(UNSENT).fetch_one(&mut connection).await?.get(0);
        connection.close().await?;
        Ok(stored)
    }};
}

impl Stored {
    pub async fn read(url: &str) -> sqlx::Result<Self> {
        if url.starts_with("sqlite:") {
            let options: sqlx::sqlite::SqliteConnectOptions = url.parse()?;
            read!(options.busy_timeout(std::time::Duration::from_secs(10)).connect().await?)
        } else {
            read!(sqlx::postgres::PgConnection::connect(url).await?)
        }
    }

    /// Messages that did not have exactly one effect, and messages that took effect out of order.
    pub fn compare(&self, book: &Book) -> (Vec<String>, Vec<String>) {
        let (mut effects, mut order) = (Vec::new(), Vec::new());
        for (customer, sent) in &book.inputs {
            let decided: Vec<&String> = sent.iter().filter(|id| book.first.contains_key(*id)).collect();
            let epoch = self.epochs.get(customer).copied().unwrap_or(0);
            if epoch != decided.len() as i64 {
                effects.push(format!("{customer}: {epoch} effects of {} messages", decided.len()));
            }
            for (place, id) in decided.iter().enumerate() {
                match self.before.get(*id) {
                    None => effects.push(format!("{id}: published and not stored")),
                    Some(before) if *before != place as u64 => {
                        order.push(format!("{id} took effect after {before} others, not {place}"));
                    }
                    Some(_) => {}
                }
            }
        }
        (effects, order)
    }
}
