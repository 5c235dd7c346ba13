//! How likely each customer is to leave, a row per customer, written with each decision: the list of those who may.

use super::link::{Param, Statement};
use crate::journey::model::RiskLevel;
use crate::routing::Decision;
use Param::{Int, Text};

/// The customer is the one that the inbox names. A decision older than the row's leaves it alone.
const KEEP: &str = "INSERT INTO customer_risks (customer, message_id, conversation_id, level, decided_at) \
    SELECT customer, $1, $2, $3, $4 FROM inbox WHERE message_id = $1 \
    ON CONFLICT (customer) DO UPDATE SET message_id = excluded.message_id, \
        conversation_id = excluded.conversation_id, level = excluded.level, decided_at = excluded.decided_at \
    WHERE customer_risks.decided_at <= excluded.decided_at";

/// Writes it. The message's inbox row has to be there; without it nothing is written.
pub(in crate::store) fn keep(decision: &Decision) -> Statement<'_> {
    let level = match decision.journey.churn_risk.level {
        RiskLevel::Low => 0,
        RiskLevel::Medium => 1,
        RiskLevel::High => 2,
    };
    let at = Int(decision.decided_at.timestamp_micros());
    Statement::new(KEEP, [Text(&decision.message_id), Text(&decision.conversation_id), Int(level), at])
}
