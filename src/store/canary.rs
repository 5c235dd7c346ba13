//! Decisions beside their shadows, as they are kept: counts by hour, and a row for each aspect in which they differ.

use super::StoreError;
use super::link::{Link, Param};
use crate::journey::spikes::hour_of;
use crate::routing::canary::Comparison;
use Param::{Int, Text};

const COUNT: &str = "INSERT INTO canary_hours (hour, live, shadow, compared, differing) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (live, shadow, hour) DO UPDATE SET compared = canary_hours.compared + excluded.compared, \
        differing = canary_hours.differing + excluded.differing";

/// Nothing is written of a message that is not there.
const DIFFER: &str = "INSERT INTO canary_differences (message_id, aspect, conversation_id, decided_at, live, shadow, \
        live_value, shadow_value, live_rules, shadow_rules) \
    SELECT message_id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM inbox WHERE message_id = $1 \
    ON CONFLICT (message_id, aspect) DO UPDATE SET decided_at = excluded.decided_at, live = excluded.live, \
        shadow = excluded.shadow, live_value = excluded.live_value, shadow_value = excluded.shadow_value, \
        live_rules = excluded.live_rules, shadow_rules = excluded.shadow_rules";

/// Hour, live, shadow.
type Place<'a> = (i64, &'a str, &'a str);

/// Writes them; counts of the same hour together, in the order that everybody locks them in.
pub(super) async fn keep(link: &mut dyn Link, comparisons: &[Comparison]) -> Result<(), StoreError> {
    let mut counts: std::collections::BTreeMap<Place<'_>, (i64, i64)> = std::collections::BTreeMap::new();
    for comparison in comparisons {
        let place = (hour_of(comparison.decided_at), comparison.live.as_str(), comparison.shadow.as_str());
        let (compared, differing) = counts.entry(place).or_default();
        *compared += 1;
        *differing += i64::from(!comparison.differences.is_empty());
        for difference in &comparison.differences {
            let params = [
                Text(&comparison.message_id),
                Text(difference.aspect.as_str()),
                Text(&comparison.conversation_id),
                Int(comparison.decided_at.timestamp_micros()),
                Text(&comparison.live),
                Text(&comparison.shadow),
                Text(&difference.live),
                Text(&difference.shadow),
                Text(&comparison.live_rules),
                Text(&comparison.shadow_rules),
            ];
            link.execute(DIFFER, &params).await?;
        }
    }
    for ((hour, live, shadow), (compared, differing)) in counts {
        let params = [Int(hour), Text(live), Text(shadow), Int(compared), Int(differing)];
        link.execute(COUNT, &params).await?;
    }
    Ok(())
}
