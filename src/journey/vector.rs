//! Sentence vectors in the customer's state: one signed byte a component, scaled by a power of two, so that a state of
//! many contacts stays small and reading back gives the very same numbers (a decision must be reproducible from it).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Largest step a byte can count.
const STEPS: f32 = 127.0;

/// Rounds a vector to what the stored form can hold. Rounding twice changes nothing. Components that are not finite
/// count as 0.
pub(super) fn rounded(vector: &[f32]) -> Vec<f32> {
    let exponent = exponent(vector);
    vector.iter().map(|value| f32::from(step(*value, exponent)) * scale(exponent)).collect()
}

/// Dot product; 0 when the vectors do not match or are empty.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(super) fn serialize<S: Serializer>(vector: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    if vector.is_empty() {
        return serializer.serialize_str("");
    }
    let exponent = exponent(vector);
    let bytes: Vec<u8> = std::iter::once(exponent)
        .chain(vector.iter().map(|value| step(*value, exponent)))
        .map(i8::cast_unsigned)
        .collect();
    serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD_NO_PAD.decode(text).map_err(de::Error::custom)?;
    let Some((exponent, steps)) = bytes.split_first() else { return Ok(Vec::new()) };
    let scale = scale(exponent.cast_signed());
    Ok(steps.iter().map(|step| f32::from(step.cast_signed()) * scale).collect())
}

/// Smallest power of two whose 127-fold reaches the largest component.
fn exponent(vector: &[f32]) -> i8 {
    let largest =
        vector.iter().filter(|value| value.is_finite()).fold(0.0_f32, |max, value| max.max(value.abs()));
    (-100..100).find(|exponent| STEPS * scale(*exponent) >= largest).unwrap_or(100)
}

fn scale(exponent: i8) -> f32 {
    2.0_f32.powi(i32::from(exponent))
}

#[expect(clippy::cast_possible_truncation, reason = "rounded and clamped to −127…127 before the cast")]
fn step(value: f32, exponent: i8) -> i8 {
    if value.is_finite() { (value / scale(exponent)).round().clamp(-STEPS, STEPS) as i8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Holder(#[serde(with = "super")] Vec<f32>);

    proptest! {
        #[test]
        fn reading_back_gives_the_rounded_vector(vector in prop::collection::vec(-1.0_f32..1.0, 0..48)) {
            let once = rounded(&vector);
            prop_assert_eq!(&rounded(&once), &once);
            let text = serde_json::to_string(&Holder(once.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<Holder>(&text).unwrap(), Holder(once.clone()));
            let largest = vector.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
            for (kept, was) in once.iter().zip(&vector) {
                prop_assert!((kept - was).abs() <= largest / 120.0);
            }
        }
    }

    #[test]
    fn dot_of_unlike_lengths_is_nothing() {
        assert!(dot(&[1.0], &[1.0, 0.0]).abs() < f32::EPSILON);
        assert!((dot(&[0.6, 0.8], &[0.6, 0.8]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_odd_vector_does_no_harm() {
        assert_eq!(rounded(&[f32::NAN, 0.0]), vec![0.0, 0.0]);
        assert_eq!(rounded(&[f32::INFINITY]), vec![0.0]);
    }
}
