//! The broker connection, and work that stands still.

use std::time::Duration;

use metrics::gauge;
use tracing::{error, info, warn};

use super::Metric;

/// What the broker connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerLink {
    /// Works.
    Up,
    /// Does not.
    Down,
    /// Is there, and the broker takes no messages: a memory or disk alarm.
    Blocked,
}

/// The broker connection changed its state.
pub struct BrokerChanged<'a> {
    /// What it does now.
    pub link: BrokerLink,
    /// In words.
    pub detail: &'a str,
}

impl BrokerChanged<'_> {
    /// Records it.
    pub fn emit(self) {
        let one_if = |yes| if yes { 1.0 } else { 0.0 };
        gauge!(Metric::BrokerUp.name()).set(one_if(self.link == BrokerLink::Up));
        gauge!(Metric::BrokerBlocked.name()).set(one_if(self.link == BrokerLink::Blocked));
        match self.link {
            BrokerLink::Up => info!(detail = self.detail, "broker connected"),
            BrokerLink::Down => warn!(detail = self.detail, "broker not available"),
            BrokerLink::Blocked => warn!(detail = self.detail, "broker blocked, decisions wait"),
        }
    }
}

/// A worker starts and its database is not there yet.
pub struct StoreAwaited<'a> {
    /// The cause.
    pub error: &'a str,
}

impl StoreAwaited<'_> {
    /// Records it.
    pub fn emit(self) {
        warn!(error = self.error, "database not available, waiting for it");
    }
}

/// Messages are under way and none has come to its end for long; or one has again.
pub struct Stalled {
    /// For how long; none when work goes on.
    pub since: Option<Duration>,
    /// Messages under way.
    pub under_way: usize,
}

impl Stalled {
    /// Records it.
    pub fn emit(self) {
        match self.since {
            Some(since) => {
                gauge!(Metric::Stalled.name()).set(1.0);
                error!(seconds = since.as_secs(), in_flight = self.under_way, "work stands still");
            }
            None => {
                gauge!(Metric::Stalled.name()).set(0.0);
                info!(in_flight = self.under_way, "work goes on");
            }
        }
    }
}
