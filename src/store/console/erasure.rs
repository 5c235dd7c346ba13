//! Requests to erase a customer, made from the console and done with `smista erase`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::review::time;
use crate::store::link::Param::{Int, Text};
use crate::store::link::{Cell, Database, cells};
use crate::store::sql::SqlStore;
use crate::store::{Store, StoreError};

/// Somebody wants a customer erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Whom.
    pub customer: String,
    /// The conversation it was made from.
    pub conversation_id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// By which account; a token's is `api:` and its name.
    pub account: String,
    /// Why, in their words; may be empty.
    pub reason: String,
}

/// What the pages about requests need.
#[async_trait]
pub trait ErasureStore: Store {
    /// Keeps a request; false when there is one for that customer already, which stays as it is.
    async fn request_erasure(&self, request: &ErasureRequest) -> Result<bool, StoreError>;

    /// The requests that are not done, the oldest first.
    async fn erasure_requests(&self, limit: u32) -> Result<Vec<ErasureRequest>, StoreError>;

    /// The one for a customer.
    async fn erasure_request(&self, customer: &str) -> Result<Option<ErasureRequest>, StoreError>;

    /// Takes the one for a customer back; false when there is none.
    async fn withdraw_erasure(&self, customer: &str) -> Result<bool, StoreError>;
}

const COLUMNS: &str = "customer, conversation_id, requested_at, account, reason";

fn request(row: Vec<Cell>) -> Result<ErasureRequest, StoreError> {
    let [customer, conversation, at, account, reason] = cells(row)?;
    Ok(ErasureRequest {
        customer: customer.text()?,
        conversation_id: conversation.text()?,
        at: time(&at)?,
        account: account.text()?,
        reason: reason.text()?,
    })
}

#[async_trait]
impl<D: Database> ErasureStore for SqlStore<D> {
    async fn request_erasure(&self, request: &ErasureRequest) -> Result<bool, StoreError> {
        let ErasureRequest { customer, conversation_id, at, account, reason } = request;
        let sql = "INSERT INTO erasure_requests (customer, conversation_id, requested_at, account, reason) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (customer) DO NOTHING";
        let at = Int(at.timestamp_micros());
        let params = [Text(customer), Text(conversation_id), at, Text(account), Text(reason)];
        self.changed(sql, &params).await
    }

    async fn erasure_requests(&self, limit: u32) -> Result<Vec<ErasureRequest>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM erasure_requests ORDER BY requested_at, customer LIMIT $1");
        self.read(&sql, &[Int(limit.into())]).await?.into_iter().map(request).collect()
    }

    async fn erasure_request(&self, customer: &str) -> Result<Option<ErasureRequest>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM erasure_requests WHERE customer = $1");
        self.read(&sql, &[Text(customer)]).await?.into_iter().next().map(request).transpose()
    }

    async fn withdraw_erasure(&self, customer: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM erasure_requests WHERE customer = $1";
        self.changed(sql, &[Text(customer)]).await
    }
}
