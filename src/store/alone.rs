//! Notes of workers that have a message alone at work. They hold what each worker says and judge nothing: `worker/suspects`
//! tells the living from the dead.

use chrono::{TimeDelta, Utc};

use super::StoreError;
use super::link::{Link, Param, cells};
use Param::{Int, Text};

/// Another worker's note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alone {
    /// Who has the message at work.
    pub worker: String,
    /// Changes for as long as that worker lives and is at it.
    pub shown: i64,
}

const BEGIN: &str =
    "INSERT INTO alone (message_id, worker, since) VALUES ($1, $2, $3) ON CONFLICT (message_id) DO NOTHING";

const WHOSE: &str = "SELECT worker, since FROM alone WHERE message_id = $1";

const SHOW: &str = "UPDATE alone SET since = $3 WHERE message_id = $1 AND worker = $2";

const END: &str = "DELETE FROM alone WHERE message_id = $1 AND worker = $2";

/// Older than what is kept fresh: nobody is at it any more.
pub(super) const STALE: &str = "DELETE FROM alone WHERE since < $1";

/// A note of a living worker is never so old.
pub(super) const FRESH: TimeDelta = TimeDelta::minutes(1);

/// Notes it, unless another worker has; that one's note then.
pub(super) async fn begin(
    link: &mut dyn Link,
    message_id: &str,
    worker: &str,
) -> Result<Option<Alone>, StoreError> {
    link.execute(BEGIN, &[Text(message_id), Text(worker), now()]).await?;
    let Some(row) = link.rows(WHOSE, &[Text(message_id)]).await?.into_iter().next() else {
        return Ok(None);
    };
    let [noted, shown] = cells(row)?;
    let note = Alone { worker: noted.text()?, shown: shown.int()? };
    Ok((note.worker != worker).then_some(note))
}

pub(super) async fn show(link: &mut dyn Link, message_id: &str, worker: &str) -> Result<(), StoreError> {
    link.execute(SHOW, &[Text(message_id), Text(worker), now()]).await.map(drop)
}

pub(super) async fn end(link: &mut dyn Link, message_id: &str, worker: &str) -> Result<(), StoreError> {
    link.execute(END, &[Text(message_id), Text(worker)]).await.map(drop)
}

fn now() -> Param<'static> {
    Int(Utc::now().timestamp_micros())
}
