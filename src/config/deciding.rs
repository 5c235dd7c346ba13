//! Which settings a decision depends on beside model and policy. Their hash stands in its versions, so that a replay knows
//! whether it can prove it.

use serde::Serialize;

use super::{Config, Persona, Thresholds};

/// These settings; two configurations in which they are equal decide alike.
#[derive(Debug, Serialize)]
pub struct Deciding<'a> {
    max_contacts: usize,
    repeat_days: u16,
    repeat_similarity: f32,
    experience_half_life_days: f32,
    survey_days: u16,
    time_zone: &'a str,
    persona: &'a Persona,
    languages: &'a [String],
    default_language: &'a str,
    #[serde(skip_serializing_if = "Thresholds::is_empty")]
    thresholds: &'a Thresholds,
}

impl Config {
    /// What of it a decision depends on.
    pub fn deciding(&self) -> Deciding<'_> {
        let journey = &self.journey;
        Deciding {
            max_contacts: journey.max_contacts,
            repeat_days: journey.repeat_days,
            repeat_similarity: journey.repeat_similarity,
            experience_half_life_days: journey.experience_half_life_days,
            survey_days: journey.survey_days,
            time_zone: &journey.time_zone,
            persona: &journey.persona,
            languages: &self.interaction.languages,
            default_language: &self.interaction.default_language,
            thresholds: &self.engine.thresholds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::decision::hash_json;

    #[test]
    fn what_decides_changes_the_hash_and_nothing_else_does() {
        let hash = |config: &Config| hash_json(&config.deciding()).unwrap();
        let config = Config::load(None).unwrap();
        let mut other = config.clone();
        other.broker.prefetch += 1;
        other.journey.spikes.enabled = !other.journey.spikes.enabled;
        assert_eq!(hash(&config), hash(&other));
        let changes: [fn(&mut Config); 6] = [
            |config| config.engine.thresholds.intents = Some(0.5),
            |config| config.journey.repeat_days += 1,
            |config| config.journey.repeat_similarity += 0.01,
            |config| config.journey.time_zone = "Europe/Rome".to_owned(),
            |config| config.journey.persona.greeting = !config.journey.persona.greeting,
            |config| config.interaction.languages.reverse(),
        ];
        for change in changes {
            let mut other = config.clone();
            change(&mut other);
            assert_ne!(hash(&config), hash(&other));
        }
    }
}
