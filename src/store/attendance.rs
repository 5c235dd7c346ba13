//! The list of workers that share input queues. It holds what each says of itself and judges nothing: `worker/share`
//! tells the living from the dead.

use super::StoreError;
use super::link::{Cell, Link, Param, cells};
use Param::{Int, Text};

/// A worker's line in the list of its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendance {
    /// Its name, new at every start.
    pub worker: String,
    /// Rises with every call.
    pub beat: i64,
    /// The number of its subscription to each shard, in order of the shards. A new number stands behind all others in
    /// the queue's line of consumers.
    pub places: Vec<u64>,
}

const ATTEND: &str = "INSERT INTO workers (team, worker, beat, places) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (team, worker) DO UPDATE SET beat = excluded.beat, places = excluded.places";

const TEAM: &str = "SELECT worker, beat, places FROM workers WHERE team = $1 ORDER BY worker";

const DISMISS: &str = "DELETE FROM workers WHERE team = $1 AND worker = $2 AND beat <= $3";

pub(super) async fn attend(
    link: &mut dyn Link,
    team: &str,
    me: &Attendance,
) -> Result<Vec<Attendance>, StoreError> {
    let places: Vec<String> = me.places.iter().map(u64::to_string).collect();
    link.execute(ATTEND, &[Text(team), Text(&me.worker), Int(me.beat), Text(&places.join(","))]).await?;
    let rows = link.rows(TEAM, &[Text(team)]).await?;
    rows.into_iter().map(attendance).collect()
}

/// A line of any team: worker, beat, places.
pub(super) fn attendance(row: Vec<Cell>) -> Result<Attendance, StoreError> {
    let [worker, beat, places] = cells(row)?;
    let places = places.text()?;
    let places = places.split(',').map(str::parse).collect::<Result<_, _>>();
    let worker = worker.text()?;
    let places =
        places.map_err(|_| StoreError::Corrupt(format!("the places of worker {worker} are no numbers")))?;
    Ok(Attendance { worker, beat: beat.int()?, places })
}

pub(super) async fn dismiss(
    link: &mut dyn Link,
    team: &str,
    worker: &str,
    beat: i64,
) -> Result<(), StoreError> {
    link.execute(DISMISS, &[Text(team), Text(worker), Int(beat)]).await.map(drop)
}
