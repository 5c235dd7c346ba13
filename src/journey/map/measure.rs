//! The figures of a cell by name, and how strongly each is coloured.

use super::Cell;

/// A figure of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// How many contacts there are.
    #[default]
    Contacts,
    /// Mean sentiment, −1…1.
    Sentiment,
    /// Mean effort, 0…1.
    Effort,
    /// Share of the journeys that end there unmet.
    DropOff,
    /// Share of the contacts that bring the same problem again.
    Repeat,
    /// Share of the first contacts that settle it.
    Resolution,
}

/// Steps of a colour.
pub const STEPS: u8 = 5;

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It is much.
    Much,
    /// It is good.
    Good,
    /// It is bad.
    Bad,
}

impl Measure {
    /// Every figure.
    pub const ALL: [Self; 6] =
        [Self::Contacts, Self::Sentiment, Self::Effort, Self::DropOff, Self::Repeat, Self::Resolution];

    /// Its name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Sentiment => "sentiment",
            Self::Effort => "effort",
            Self::DropOff => "drop_off",
            Self::Repeat => "repeat_rate",
            Self::Resolution => "first_contact_resolution",
        }
    }

    /// The figure of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// Its value; none where there are too few.
    pub fn of(self, cell: &Cell) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        match self {
            Self::Contacts => Some(cell.contacts as f64),
            Self::Sentiment => cell.sentiment,
            Self::Effort => cell.effort,
            Self::DropOff => cell.drop_off,
            Self::Repeat => cell.repeat_rate,
            Self::Resolution => cell.first_contact_resolution,
        }
    }

    /// What colours it has, in the order of a legend.
    pub fn tones(self) -> &'static [Tone] {
        match self {
            Self::Contacts => &[Tone::Much],
            Self::Sentiment => &[Tone::Bad, Tone::Good],
            Self::Effort | Self::DropOff | Self::Repeat => &[Tone::Bad],
            Self::Resolution => &[Tone::Good],
        }
    }

    /// The colour of a value and its step, 0 to [`STEPS`] less one, each a fifth: of `most` for a count, of 1 for the others.
    pub fn shade(self, value: f64, most: f64) -> (Tone, u8) {
        let (tone, part) = match self {
            Self::Contacts => (Tone::Much, if most > 0.0 { value / most } else { 0.0 }),
            Self::Sentiment if value < 0.0 => (Tone::Bad, -value),
            Self::Sentiment | Self::Resolution => (Tone::Good, value),
            Self::Effort | Self::DropOff | Self::Repeat => (Tone::Bad, value),
        };
        // Shares have three places: a fifth of one is not to fall below its step for a rounding.
        let steps = (part.clamp(0.0, 1.0) * f64::from(STEPS) + 1e-9).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 5")]
        let step = steps as u8;
        (tone, step.min(STEPS - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fifth_has_its_colour() {
        let check = |measure: Measure, value: f64, tone: Tone, step: u8| {
            assert_eq!(measure.shade(value, 50.0), (tone, step), "{measure:?} {value}");
            assert!(measure.tones().contains(&tone));
        };
        check(Measure::Contacts, 0.0, Tone::Much, 0);
        check(Measure::Contacts, 9.0, Tone::Much, 0);
        check(Measure::Contacts, 10.0, Tone::Much, 1);
        check(Measure::Contacts, 50.0, Tone::Much, 4);
        check(Measure::Sentiment, -0.6, Tone::Bad, 3);
        check(Measure::Sentiment, 0.599, Tone::Good, 2);
        check(Measure::DropOff, 0.2, Tone::Bad, 1);
        check(Measure::Repeat, 1.0, Tone::Bad, 4);
        check(Measure::Resolution, 0.8, Tone::Good, 4);
        assert_eq!(Measure::Contacts.shade(0.0, 0.0), (Tone::Much, 0));
        for measure in Measure::ALL {
            assert_eq!(Measure::from_name(measure.as_str()), Some(measure));
        }
    }
}
