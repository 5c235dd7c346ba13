//! Sentence vectors spread evenly. Those of a trained encoder crowd along few directions, which hides how near two texts
//! are in meaning; a linear map learned on many sentences undoes that in part (Su et al., 2021, "Whitening Sentence
//! Representations for Better Semantics and Faster Retrieval"; Huang et al., 2021, "WhiteningBERT").

use std::path::Path;

use tch::{Kind, TchError, Tensor};

use super::bert::normalise;

/// Names of the tensors beside the weights.
pub const MEAN: &str = "whitening.mean";
/// The map's.
pub const MATRIX: &str = "whitening.matrix";

/// What is taken off a sentence vector, and what it is multiplied with.
#[derive(Debug)]
pub struct Whitening {
    /// `[hidden]`.
    pub mean: Tensor,
    /// `[hidden, hidden]`, for rows from the left.
    pub matrix: Tensor,
}

impl Whitening {
    /// Of sentence vectors, one a row, each of length 1: their mean, and their covariance to the power of minus `power`, from 0
    /// (nothing but the mean) to 0.5 (all directions alike).
    pub fn learn(vectors: &Tensor, power: f64) -> Result<Self, TchError> {
        let vectors = vectors.f_to_kind(Kind::Double)?;
        let mean = vectors.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
        let centred = vectors.f_sub(&mean)?;
        let rows = vectors.size().first().copied().unwrap_or(0);
        let covariance = centred.f_tr()?.f_matmul(&centred)?.f_div_scalar((rows - 1).max(1))?;
        let (values, directions) = covariance.f_linalg_eigh("L")?;
        // Directions that hardly occur are noise.
        let stretch = values.f_clamp_min(0.0)?.f_add_scalar(1e-5)?.f_pow_tensor_scalar(-power)?;
        let matrix = directions.f_mul(&stretch)?;
        Ok(Self { mean: mean.f_to_kind(Kind::Float)?, matrix: matrix.f_to_kind(Kind::Float)?.contiguous() })
    }

    /// The one beside the weights in that file, if there is one.
    pub fn read(weights: &Path) -> Result<Option<Self>, TchError> {
        let mut found = Tensor::read_safetensors(weights)?
            .into_iter()
            .filter_map(|(name, tensor)| [MEAN, MATRIX].contains(&name.as_str()).then_some((name, tensor)));
        let (Some(one), Some(other)) = (found.next(), found.next()) else { return Ok(None) };
        let (mean, matrix) = if one.0 == MEAN { (one.1, other.1) } else { (other.1, one.1) };
        Ok(Some(Self { mean: mean.f_to_kind(Kind::Float)?, matrix: matrix.f_to_kind(Kind::Float)? }))
    }

    /// Rows of length 1 from rows of length 1.
    pub fn apply(&self, vectors: &Tensor) -> Result<Tensor, TchError> {
        normalise(&vectors.f_sub(&self.mean)?.f_matmul(&self.matrix)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowded_vectors_are_spread() {
        tch::manual_seed(3);
        // Nearly all of them lie along the first direction, and off the origin.
        let spread = Tensor::from_slice(&[5f32, 0.5, 0.5, 0.5]);
        let vectors = Tensor::randn([4000, 4], (Kind::Float, tch::Device::Cpu)).f_mul(&spread).unwrap();
        let vectors =
            normalise(&vectors.f_add(&Tensor::from_slice(&[0f32, 3.0, 0.0, 0.0])).unwrap()).unwrap();
        let variances = |vectors: &Tensor| {
            let variances = vectors.f_var_dim([0i64].as_slice(), true, false).unwrap();
            Vec::<f32>::try_from(variances).unwrap()
        };
        let ratio = |vectors: &Tensor| {
            let variances = variances(vectors);
            let most = variances.iter().copied().fold(0.0, f32::max);
            most / variances.iter().copied().fold(f32::MAX, f32::min)
        };
        let whole = Whitening::learn(&vectors, 0.5).unwrap();
        let mapped = vectors.f_sub(&whole.mean).unwrap().f_matmul(&whole.matrix).unwrap();
        assert!(ratio(&vectors) > 20.0, "{}", ratio(&vectors));
        assert!(ratio(&mapped) < 1.2, "{}", ratio(&mapped));
        let part = Whitening::learn(&vectors, 0.25).unwrap();
        let mapped = vectors.f_sub(&part.mean).unwrap().f_matmul(&part.matrix).unwrap();
        assert!((2.0..20.0).contains(&ratio(&mapped)), "{}", ratio(&mapped));
        let lengths = whole.apply(&vectors).unwrap().f_norm_scalaropt_dim(2.0, [1i64], false).unwrap();
        assert!((lengths.f_sub_scalar(1.0).unwrap().abs().max().double_value(&[])) < 1e-5);
    }
}
