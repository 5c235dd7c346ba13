//! A reshard that is not done: what is left in the earlier input queues comes before everything in the new ones. Works it
//! off, lets go of those queues once they are empty, and waits until they are deleted.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lapin::Connection;
use tokio::sync::watch;

use super::consumer::Supervisor;
use super::shard::{Lines, Shard, Subscription};
use super::state::Side;
use super::{generations, pause, raised};
use crate::broker::BrokerState;

/// How often to look at the earlier queues.
const LOOK: Duration = Duration::from_millis(500);
/// So many looks in a row must find nothing waiting and nothing under way before a worker lets go.
const EMPTY_LOOKS: u32 = 4;

/// How draining ended.
pub(super) enum Drained {
    /// No earlier queue is there any more.
    Gone,
    /// Stopped; with what is open, which must stay so until the connection closes.
    Stopped(Vec<Subscription>),
}

impl Supervisor {
    /// Returns when the input queues of earlier generations are gone.
    pub(super) async fn drain_earlier(&self, connection: &Connection) -> Result<Drained, String> {
        let mut stop = self.stop.clone();
        loop {
            let earlier = generations::earlier(connection, &self.source.topology)
                .await
                .map_err(|error| error.to_string())?;
            let Some(first) = earlier.first() else { return Ok(Drained::Gone) };
            if earlier.iter().all(|queue| queue.waiting == 0) {
                let reason = format!(
                    "queue {} of before the reshard is empty and not deleted yet; `smista topology reshard` does that",
                    first.queue
                );
                self.source.board.set(Side::Consume, Some(BrokerState::TopologyMissing(reason)));
                if pause(LOOK, &mut stop).await {
                    return Ok(Drained::Stopped(Vec::new()));
                }
                continue;
            }
            self.source.board.set(Side::Consume, Some(BrokerState::Connected));
            let names: Vec<&str> = earlier.iter().map(|queue| queue.queue.as_str()).collect();
            if let Some(open) = self.drain(connection, &names).await? {
                return Ok(Drained::Stopped(open));
            }
        }
    }

    /// Consumes these queues until they are empty; what is open if stopped before.
    async fn drain(
        &self,
        connection: &Connection,
        queues: &[&str],
    ) -> Result<Option<Vec<Subscription>>, String> {
        let lines = Lines::new(String::new(), queues.len());
        let (finish, finished) = watch::channel(false);
        let mut shards: FuturesUnordered<_> = queues
            .iter()
            .enumerate()
            .map(|(index, queue)| {
                let shard = Shard {
                    connection,
                    queue,
                    index,
                    prefetch: self.source.prefetch,
                    lines: &lines,
                    arrivals: &self.arrivals,
                    stop: finished.clone(),
                };
                shard.run()
            })
            .collect();
        let mut stop = self.stop.clone();
        let stopped = tokio::select! {
            () = raised(&mut stop) => true,
            empty = self.until_empty(connection, queues) => {
                empty?;
                false
            }
            ended = shards.next() => return Err(match ended {
                Some(Err(reason)) => reason,
                _ => "a subscription ended".to_owned(),
            }),
        };
        finish.send_replace(true);
        let mut open = Vec::new();
        while let Some(subscription) = shards.next().await {
            open.push(subscription?);
        }
        if stopped {
            return Ok(Some(open));
        }
        for subscription in open {
            subscription.finish().await?;
        }
        Ok(None)
    }

    async fn until_empty(&self, connection: &Connection, queues: &[&str]) -> Result<(), String> {
        let mut empty = 0;
        while empty < EMPTY_LOOKS {
            tokio::time::sleep(LOOK).await;
            let mut waiting = self.source.outstanding.count();
            for queue in queues {
                let depth = generations::depth(connection, queue).await.map_err(|error| error.to_string())?;
                waiting += depth.map_or(0, |depth| depth.waiting as usize);
            }
            empty = if waiting == 0 { empty + 1 } else { 0 };
        }
        Ok(())
    }
}
