//! What a message is counted under, and from which count on its topics are a spike. The counts are the store's; the
//! phrases watched and the bars of the present hours are kept here, in memory. A bar is reckoned once per topic and hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::interaction::Interaction;
use crate::journey::spikes::{Bar, Sketch, SpikeSettings, Topic, hour_of, topics};
use crate::nlp::understanding::Scored;
use crate::store::{Counted, Store, StoreError};

/// Bars kept; when there are more, they are reckoned anew.
const BARS: usize = 8192;
/// A message said to be sent so many hours after its decision comes from a clock that is wrong.
const AHEAD: i64 = 24;

/// The watch of one pipeline.
pub(super) struct SpikeWatch {
    settings: SpikeSettings,
    sketch: Mutex<Sketch>,
    bars: Mutex<HashMap<(Topic, i64), Option<Bar>>>,
}

impl SpikeWatch {
    pub fn new(settings: SpikeSettings) -> Self {
        let sketch = Sketch::new(settings.phrases, settings.phrase_customers, settings.history_hours);
        Self { settings, sketch: Mutex::new(sketch), bars: Mutex::default() }
    }

    pub fn history_hours(&self) -> i64 {
        self.settings.history_hours
    }

    /// The topics of a message with their bars. Reads the store only for a topic that is new in its hour.
    pub async fn topics(
        &self,
        store: &dyn Store,
        interaction: &Interaction,
        intents: &[Scored<String>],
        customer: &str,
        decided_at: DateTime<Utc>,
    ) -> Result<Vec<Counted>, StoreError> {
        let hour = hour_of(interaction.sent_at);
        let now = hour_of(decided_at);
        if hour < now - self.settings.history_hours || hour > now + AHEAD {
            return Ok(Vec::new());
        }
        let topics = {
            let mut sketch = self.sketch.lock().unwrap_or_else(PoisonError::into_inner);
            topics(interaction, intents, customer, &mut sketch)
        };
        let mut counted = Vec::with_capacity(topics.len());
        for topic in topics {
            let bar = self.bar(store, &topic, hour).await?;
            counted.push(Counted { topic, hour, bar });
        }
        Ok(counted)
    }

    async fn bar(&self, store: &dyn Store, topic: &Topic, hour: i64) -> Result<Option<Bar>, StoreError> {
        let key = (topic.clone(), hour);
        if let Some(bar) = self.bars.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*bar);
        }
        let past = store.topic_past(topic, hour - self.settings.history_hours, hour).await?;
        let bar = Bar::of(&past, hour, &self.settings);
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if bars.len() >= BARS {
            bars.clear();
        }
        bars.insert(key, bar);
        Ok(bar)
    }
}
