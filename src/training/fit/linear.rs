//! The few matrices that fitting needs. Products run in libtorch where the build has it, else in plain loops.

/// Rows of equal length, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Length of a row.
    pub columns: usize,
    /// `rows × columns` values, row after row.
    pub values: Vec<f32>,
}

impl Matrix {
    /// All zero.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// From rows that must be of length `columns`; shorter ones are filled with zeros, longer ones cut.
    pub fn from_rows<'a>(columns: usize, rows: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let mut matrix = Self { rows: 0, columns, values: Vec::new() };
        for row in rows {
            matrix.values.extend(row.iter().copied().chain(std::iter::repeat(0.0)).take(columns));
            matrix.rows += 1;
        }
        matrix
    }

    /// One row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.columns..(at + 1) * self.columns]
    }

    /// One row, to change.
    pub fn row_mut(&mut self, at: usize) -> &mut [f32] {
        &mut self.values[at * self.columns..(at + 1) * self.columns]
    }

    /// The rows at these places, in that order.
    pub fn select(&self, places: &[usize]) -> Self {
        Self::from_rows(self.columns, places.iter().map(|at| self.row(*at)))
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Self {
        let mut flipped = Self::zeros(self.columns, self.rows);
        for row in 0..self.rows {
            for (column, value) in self.row(row).iter().enumerate() {
                flipped.values[column * self.rows + row] = *value;
            }
        }
        flipped
    }

    /// `self · other`.
    pub fn times(&self, other: &Self) -> Self {
        Self { rows: self.rows, columns: other.columns, values: product(self, other, false) }
    }

    /// `selfᵀ · other`.
    pub fn transposed_times(&self, other: &Self) -> Self {
        Self { rows: self.columns, columns: other.columns, values: product(self, other, true) }
    }
}

/// Multiplications below which the plain loops are as quick.
#[cfg(feature = "torch")]
const SMALL: usize = 1 << 18;

#[cfg(feature = "torch")]
fn product(a: &Matrix, b: &Matrix, transpose: bool) -> Vec<f32> {
    use tch::Tensor;

    let whole = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let tensor = |matrix: &Matrix| {
        Tensor::f_from_slice(&matrix.values)?.f_view([whole(matrix.rows), whole(matrix.columns)])
    };
    let multiply = || -> Result<Vec<f32>, tch::TchError> {
        let (left, right) = (tensor(a)?, tensor(b)?);
        let left = if transpose { left.f_transpose(0, 1)? } else { left };
        Vec::<f32>::try_from(left.f_matmul(&right)?.f_contiguous()?.f_view([-1])?)
    };
    // Handing a small product over takes longer than doing it.
    if a.values.len() * b.columns < SMALL {
        return plain(a, b, transpose);
    }
    multiply().unwrap_or_else(|_| plain(a, b, transpose))
}

#[cfg(not(feature = "torch"))]
fn product(a: &Matrix, b: &Matrix, transpose: bool) -> Vec<f32> {
    plain(a, b, transpose)
}

fn plain(a: &Matrix, b: &Matrix, transpose: bool) -> Vec<f32> {
    let rows = if transpose { a.columns } else { a.rows };
    let mut out = vec![0.0_f32; rows * b.columns];
    for at in 0..a.rows {
        for (column, value) in a.row(at).iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let (to, from) = if transpose { (column, at) } else { (at, column) };
            let target = &mut out[to * b.columns..(to + 1) * b.columns];
            for (sum, other) in target.iter_mut().zip(b.row(from)) {
                *sum += value * other;
            }
        }
    }
    out
}

/// The inverse of the lower Cholesky factor of a symmetric positive definite matrix: rows of what whitens. `None` when
/// the matrix is not positive definite.
pub fn whitener(symmetric: &Matrix) -> Option<Matrix> {
    let size = symmetric.rows;
    let at = |row: usize, column: usize| row * size + column;
    let mut lower = vec![0.0_f64; size * size];
    for row in 0..size {
        for column in 0..=row {
            let (left, right) =
                (&lower[at(row, 0)..at(row, column)], &lower[at(column, 0)..at(column, column)]);
            let rest = f64::from(symmetric.values[at(row, column)])
                - left.iter().zip(right).map(|(a, b)| a * b).sum::<f64>();
            lower[at(row, column)] = if row == column {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[at(column, column)]
            };
        }
    }
    // Row by row: L · inverse = 1.
    let mut inverse = vec![0.0_f64; size * size];
    for row in 0..size {
        let (done, rest) = inverse.split_at_mut(at(row, 0));
        let own = &mut rest[..size];
        own[row] = 1.0;
        for before in 0..row {
            let factor = lower[at(row, before)];
            for (value, known) in own.iter_mut().zip(&done[at(before, 0)..at(before, before) + 1]) {
                *value -= factor * known;
            }
        }
        let scale = lower[at(row, row)];
        own.iter_mut().for_each(|value| *value /= scale);
    }
    let values = inverse.into_iter().map(|value| value as f32).collect();
    Some(Matrix { rows: size, columns: size, values })
}

/// Minimises a smooth function by L-BFGS with a backtracking line search (Nocedal and Wright, 2006, algorithms 7.4 and
/// 3.1). `function` gives the value and writes the gradient.
pub fn minimise(
    start: Vec<f32>,
    iterations: usize,
    mut function: impl FnMut(&[f32], &mut [f32]) -> f64,
) -> Vec<f32> {
    const MEMORY: usize = 8;
    let mut point = start;
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut history: Vec<(Vec<f32>, Vec<f32>, f64)> = Vec::new();
    for _ in 0..iterations {
        let mut direction: Vec<f32> = gradient.iter().map(|slope| -slope).collect();
        let mut factors = Vec::with_capacity(history.len());
        for (step, change, curvature) in history.iter().rev() {
            let factor = dot(step, &direction) / curvature;
            add(&mut direction, -factor, change);
            factors.push(factor);
        }
        match history.last() {
            Some((_, change, curvature)) => {
                let scale = (curvature / dot(change, change)) as f32;
                direction.iter_mut().for_each(|part| *part *= scale);
            }
            None => {
                let scale = (1.0 / dot(&gradient, &gradient).sqrt().max(1e-12)) as f32;
                direction.iter_mut().for_each(|part| *part *= scale);
            }
        }
        for ((step, change, curvature), factor) in history.iter().zip(factors.iter().rev()) {
            let back = dot(change, &direction) / curvature;
            add(&mut direction, factor - back, step);
        }
        let slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            break;
        }
        let mut length = 1.0_f64;
        let mut next = point.clone();
        let mut next_gradient = vec![0.0; point.len()];
        let mut found = None;
        for _ in 0..20 {
            next.copy_from_slice(&point);
            add(&mut next, length, &direction);
            let reached = function(&next, &mut next_gradient);
            if reached <= value + 1e-4 * length * slope {
                found = Some(reached);
                break;
            }
            length *= 0.4;
        }
        let Some(reached) = found else { break };
        let step: Vec<f32> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let change: Vec<f32> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-10 * dot(&change, &change) {
            if history.len() == MEMORY {
                history.remove(0);
            }
            history.push((step, change, curvature));
        }
        let gained = value - reached;
        (point, gradient, value) = (next, next_gradient, reached);
        if gained <= 1e-5 * value.abs().max(1e-9) {
            break;
        }
    }
    point
}

/// Scalar product, summed in double precision.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn add(to: &mut [f32], factor: f64, what: &[f32]) {
    let factor = factor as f32;
    to.iter_mut().zip(what).for_each(|(sum, part)| *sum += factor * part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: &[&[f32]]) -> Matrix {
        Matrix::from_rows(rows[0].len(), rows.iter().copied())
    }

    #[test]
    fn products_by_hand_agree() {
        let (a, b) = (matrix(&[&[1.0, 2.0], &[0.0, 3.0], &[4.0, 5.0]]), matrix(&[&[1.0, 0.0], &[2.0, -1.0]]));
        let expected = matrix(&[&[5.0, -2.0], &[6.0, -3.0], &[14.0, -5.0]]);
        assert_eq!(a.times(&b), expected);
        assert_eq!(a.transposed().transposed_times(&b), expected);
        assert_eq!(plain(&a, &b, false), expected.values);
        assert_eq!(plain(&a.transposed(), &b, true), expected.values);
    }

    #[test]
    fn whitening_makes_the_covariance_one() {
        let covariance = matrix(&[&[4.0, 2.0, 0.5], &[2.0, 3.0, 0.1], &[0.5, 0.1, 1.0]]);
        let inverse = whitener(&covariance).unwrap();
        let white = inverse.times(&covariance).times(&inverse.transposed());
        for row in 0..3 {
            for column in 0..3 {
                let expected = if row == column { 1.0 } else { 0.0 };
                assert!((white.row(row)[column] - expected).abs() < 1e-5, "{white:?}");
            }
        }
        assert_eq!(whitener(&matrix(&[&[1.0, 2.0], &[2.0, 1.0]])), None);
    }

    #[test]
    fn the_minimum_of_a_narrow_valley_is_found() {
        let rosenbrock = |at: &[f32], gradient: &mut [f32]| {
            let (x, y) = (f64::from(at[0]), f64::from(at[1]));
            let gap = y - x * x;
            gradient[0] = (-2.0 * (1.0 - x) - 400.0 * x * gap) as f32;
            gradient[1] = (200.0 * gap) as f32;
            (1.0 - x).powi(2) + 100.0 * gap * gap
        };
        let found = minimise(vec![-1.2, 1.0], 200, rosenbrock);
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.1, "{found:?}");
    }
}
