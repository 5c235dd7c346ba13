//! Another policy over what is stored, page by page: for the command and the console alike.

use super::{StoreError, Walk};
use crate::routing::Policy;
use crate::routing::simulate::Simulation;

/// Decides what the walk meets under both policies, at most so many decisions; `progress` is told of each page. Also says whether
/// it ended before the walk did. Holds a page at a time.
pub async fn simulate(
    walk: &mut Walk,
    old: &Policy,
    new: &Policy,
    most: u64,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(Simulation, bool), StoreError> {
    let mut simulation = Simulation::default();
    while let Some(page) = walk.next().await? {
        let mut added = 0;
        for past in page {
            if simulation.decisions == most {
                return Ok((simulation, true));
            }
            simulation.add(&past.decision, Some(&past.interaction), old, new);
            added += 1;
        }
        progress(added);
        tokio::task::yield_now().await;
    }
    Ok((simulation, false))
}
