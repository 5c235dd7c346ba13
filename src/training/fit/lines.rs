//! Where the lines of refusal lie, by scores of texts that a fit has not seen. Pure.

use super::share;

/// What abstaining may cost.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// Share of outside texts that must be kept away for each share of right answers lost.
    pub rate: f64,
    /// Most right answers lost, as a share.
    pub cap: f64,
    /// Odd examples that may be lost at no price besides: of a few, the least like says little about the rest.
    pub odd: usize,
}

impl Price {
    /// For examples of what is outside.
    pub const TRUE: Self = Self { rate: 3.0, cap: 0.02, odd: 2 };
    /// For left-out intents, which are nearer than most outside texts.
    pub const SIMULATED: Self = Self { rate: 10.0, cap: 0.01, odd: 2 };
}

/// The likeness below which to abstain: as many outside texts below as the price allows.
pub fn cut(mut right: Vec<f32>, outside: &[f32], price: Price) -> f32 {
    right.sort_by(f32::total_cmp);
    let Some(lowest) = right.first() else { return 0.0 };
    let most = price.odd.min(right.len() / 8) + (price.cap * right.len() as f64) as usize;
    let mut best = (f64::NEG_INFINITY, *lowest);
    for lost in 0..=most.min(right.len() - 1) {
        let threshold = match lost {
            // A little room below the least like of the examples.
            0 => lowest - 0.02,
            _ => f32::midpoint(right[lost - 1], right[lost]),
        };
        let kept_away = share(outside.iter().filter(|value| **value < threshold).count(), outside.len());
        let worth = kept_away - price.rate * share(lost.saturating_sub(price.odd), right.len());
        if worth > best.0 {
            best = (worth, threshold);
        }
    }
    best.1
}

/// What a share of the intents' examples refused weighs against the same share of the texts outside let in.
const BALANCE: f64 = 1.5;

/// Share of the texts given as outside that is enough to refuse: to catch the last ones costs many of the intents' own.
const ENOUGH: f32 = 0.8;
/// The same of generic texts against [`FEW`] intents or fewer: what is asked of them falls with the number of intents towards
/// [`ENOUGH`], because the more intents there are, the more of these texts lie near one.
const ENOUGH_OF_FEW: f32 = 0.95;
const FEW: f32 = 5.0;

fn enough_of_generic(intents: usize) -> f32 {
    ENOUGH + (ENOUGH_OF_FEW - ENOUGH) * (FEW / intents as f32).min(1.0)
}

/// The lead of the best intent over what is outside from which a text is answered: as few as can be of the intents' own
/// leads (`inside`) below, as many as can be of each group outside (those given and generic ones), but no more than is enough of all of
/// them. A group counts as a whole, whatever its size. `intents` is how many there are.
pub fn lead(intents: usize, inside: &[f32], outside: [&[f32]; 2]) -> f32 {
    let groups = outside.iter().filter(|group| !group.is_empty()).count().max(1) as f64;
    let mut leads: Vec<(f32, f64)> =
        inside.iter().map(|value| (*value, -BALANCE / inside.len() as f64)).collect();
    for group in outside {
        leads.extend(group.iter().map(|value| (*value, 1.0 / (groups * group.len() as f64))));
    }
    leads.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((lowest, _)) = leads.first() else { return 0.0 };
    let (mut best, mut worth) = ((0.0, lowest - 0.1), 0.0);
    for (at, (value, gain)) in leads.iter().enumerate() {
        worth += gain;
        let next = leads.get(at + 1).map_or(value + 0.1, |(next, _)| *next);
        if worth > best.0 + 1e-9 && next > *value {
            best = (worth, f32::midpoint(*value, next));
        }
    }
    let enough = outside
        .into_iter()
        .zip([ENOUGH, enough_of_generic(intents)])
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, share)| {
            let mut group = group.to_vec();
            group.sort_by(f32::total_cmp);
            let last = ((group.len() as f32 * share).ceil() as usize).clamp(1, group.len()) - 1;
            // Between the last text that is refused and whatever comes next.
            let next = leads.iter().map(|(value, _)| *value).find(|value| *value > group[last]);
            f32::midpoint(group[last], next.unwrap_or(group[last] + 0.1))
        });
    enough.max_by(f32::total_cmp).map_or(best.1, |enough| best.1.min(enough))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_asked_for_divides_as_well_as_can_be() {
        let inside = [0.5, 1.0, 2.0, 3.0];
        assert_eq!(lead(4, &inside, [&[-1.0, -0.5, 0.0], &[]]), 0.25, "between the two");
        assert_eq!(
            lead(4, &inside, [&[-1.0, 0.0, 0.7, 5.0], &[]]),
            0.25,
            "an example is worth more than a text"
        );
        let many = [0.6, 0.7, 0.8, 0.9];
        assert!((lead(4, &inside, [&many, &[]]) - 0.95).abs() < 1e-6, "all but one kept away for one lost");
        assert!(lead(4, &inside, [&[4.0], &[]]) < 0.5, "hopeless: nothing is lost for it");
        assert!(lead(4, &inside, [&[], &[]]) < 0.5, "nothing is known of what is outside");
        assert!((lead(4, &inside, [&[0.7; 90], &[0.0, 0.1]]) - 0.85).abs() < 1e-6, "both groups count");
    }
}
