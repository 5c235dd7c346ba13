//! AdamW (Loshchilov and Hutter, 2019) with two habits of its own: rows of the token table move only when a batch has
//! used them, and its state can be written down, so that an interrupted stage goes on exactly where it was.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, TchError, Tensor};

use super::student::{Student, Touched};
use super::{TrainError, file};

const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;
const WEIGHT_DECAY: f64 = 0.01;
const GRADIENT_NORM: f64 = 1.0;

/// Variables whose names begin so learn at the heads' rate.
pub(super) const HEADS: [&str; 2] = ["heads.", "auxiliary."];

struct Moving {
    name: String,
    variable: Tensor,
    first: Tensor,
    second: Tensor,
    /// Running mean of the variable's values.
    mean: Tensor,
}

/// The optimiser with its state.
pub(super) struct Optimizer {
    dense: Vec<Moving>,
    table: Moving,
    step: i32,
    mean_decay: f64,
}

/// Peak rates of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub encoder: f64,
    pub heads: f64,
}

impl Optimizer {
    /// Takes the student's variables; the token table apart.
    pub(super) fn new(student: &Student, mean_decay: f64) -> Result<Self, TchError> {
        let moving = |(name, variable): (String, Tensor)| {
            let zeros = || Tensor::f_zeros_like(&variable).map(|tensor| tensor.detach());
            let mean = tch::no_grad(|| variable.copy());
            Ok::<_, TchError>(Moving { first: zeros()?, second: zeros()?, mean, name, variable })
        };
        let mut all: BTreeMap<String, Tensor> = student.store.variables().into_iter().collect();
        let name = crate::nlp::torch::bert::WORD_EMBEDDINGS.to_owned();
        let table = all.remove(&name).ok_or_else(|| {
            TchError::TensorNameNotFound(name.clone(), "the encoder's variables".to_owned())
        })?;
        Ok(Self {
            dense: all.into_iter().map(moving).collect::<Result<_, _>>()?,
            table: moving((name, table))?,
            step: 0,
            mean_decay,
        })
    }

    /// Puts the running means in the variables' place.
    pub(super) fn settle(&self) -> Result<(), TchError> {
        if self.mean_decay == 0.0 {
            return Ok(());
        }
        tch::no_grad(|| {
            for moving in self.dense.iter().chain([&self.table]) {
                moving.variable.shallow_clone().f_copy_(&moving.mean)?;
            }
            Ok(())
        })
    }

    /// One step down the gradient of `loss`; gives the loss.
    pub(super) fn step(&mut self, loss: &Tensor, touched: &[Touched], rates: Rates) -> Result<f64, TchError> {
        self.step += 1;
        for moving in &mut self.dense {
            moving.variable.zero_grad();
        }
        loss.f_backward()?;
        tch::no_grad(|| {
            let mut gradients = Vec::with_capacity(self.dense.len());
            let mut squares = Vec::with_capacity(self.dense.len());
            for (at, moving) in self.dense.iter().enumerate() {
                let gradient = moving.variable.f_grad()?;
                if gradient.defined() {
                    squares.push(gradient.f_square()?.f_sum(Kind::Float)?);
                    gradients.push((at, gradient));
                }
            }
            let norm = match squares.as_slice() {
                [] => 0.0,
                squares => Tensor::f_stack(squares, 0)?.f_sum(Kind::Float)?.f_double_value(&[])?.sqrt(),
            };
            let scale = if norm > GRADIENT_NORM { GRADIENT_NORM / norm } else { 1.0 };
            for (at, gradient) in gradients {
                let heads = HEADS.iter().any(|prefix| self.dense[at].name.starts_with(prefix));
                let rate = if heads { rates.heads } else { rates.encoder };
                self.dense[at].step(&gradient.f_mul_scalar(scale)?, rate, self.step)?;
            }
            for part in touched {
                self.table.step_rows(part, rates.encoder, self.step)?;
            }
            if self.mean_decay > 0.0 {
                // The first steps count evenly: an early mean would remember the start for long.
                let decay = self.mean_decay.min(f64::from(self.step) / f64::from(self.step + 9));
                for moving in self.dense.iter_mut().chain([&mut self.table]) {
                    let _ = moving.mean.f_lerp_(&moving.variable, 1.0 - decay)?;
                }
            }
            loss.f_double_value(&[])
        })
    }

    /// Writes variables and state; `restore` reads them.
    pub(super) fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors = vec![("step".to_owned(), Tensor::from(i64::from(self.step)))];
        for moving in self.dense.iter().chain([&self.table]) {
            for (part, tensor) in moving.parts() {
                tensors.push((format!("{part}/{}", moving.name), tensor.detach().contiguous()));
            }
        }
        // Renamed when whole: an interruption leaves the former one.
        let new = path.with_extension("new");
        Tensor::write_safetensors(&tensors, &new)?;
        file(path, std::fs::rename(&new, path))
    }

    /// Takes variables and state from a file that `save` wrote.
    pub(super) fn restore(&mut self, path: &Path) -> Result<(), TrainError> {
        let mut saved: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)?.into_iter().collect();
        let mut take = |name: String| {
            saved.remove(&name).ok_or_else(|| TrainError::content(path, format!("it lacks `{name}`")))
        };
        let step = take("step".to_owned())?.f_int64_value(&[])?;
        for moving in self.dense.iter().chain([&self.table]) {
            for (part, tensor) in moving.parts() {
                let value = take(format!("{part}/{}", moving.name))?;
                tch::no_grad(|| tensor.shallow_clone().f_copy_(&value))?;
            }
        }
        self.step = i32::try_from(step).map_err(|error| TrainError::content(path, error))?;
        Ok(())
    }
}

impl Moving {
    fn parts(&self) -> [(&'static str, &Tensor); 4] {
        let (first, second) = (("first", &self.first), ("second", &self.second));
        [("value", &self.variable), first, second, ("mean", &self.mean)]
    }

    fn step(&mut self, gradient: &Tensor, rate: f64, step: i32) -> Result<(), TchError> {
        let _ = self.first.f_mul_scalar_(BETAS.0)?.f_add_(&gradient.f_mul_scalar(1.0 - BETAS.0)?)?;
        let _ = self
            .second
            .f_mul_scalar_(BETAS.1)?
            .f_add_(&gradient.f_square()?.f_mul_scalar_(1.0 - BETAS.1)?)?;
        let change = change(&self.first, &self.second, rate, step)?;
        let _ = self.variable.f_mul_scalar_(1.0 - rate * WEIGHT_DECAY)?.f_sub_(&change)?;
        Ok(())
    }

    fn step_rows(&mut self, part: &Touched, rate: f64, step: i32) -> Result<(), TchError> {
        let gradient = part.rows.f_grad()?;
        let blend = |state: &Tensor, new: &Tensor, beta: f64| {
            state.f_index_select(0, &part.ids)?.f_mul_scalar(beta)?.f_add(&new.f_mul_scalar(1.0 - beta)?)
        };
        let first = blend(&self.first, &gradient, BETAS.0)?;
        let second = blend(&self.second, &gradient.f_square()?, BETAS.1)?;
        let change = change(&first, &second, rate, step)?;
        let _ = self.variable.f_index_copy_(0, &part.ids, &part.rows.f_sub(&change)?)?;
        let _ = self.first.f_index_copy_(0, &part.ids, &first)?;
        let _ = self.second.f_index_copy_(0, &part.ids, &second)?;
        Ok(())
    }
}

fn change(first: &Tensor, second: &Tensor, rate: f64, step: i32) -> Result<Tensor, TchError> {
    let corrected = |beta: f64| 1.0 - beta.powi(step);
    let down = second.f_div_scalar(corrected(BETAS.1))?.f_sqrt()?.f_add_scalar(EPSILON)?;
    first.f_mul_scalar(rate / corrected(BETAS.0))?.f_div(&down)
}

/// Rate at a step: up over the first share, then down to zero in a line.
pub(super) fn rate(peak: f64, step: usize, steps: usize, warm_up: f64) -> f64 {
    let (done, rise) = (step as f64 + 1.0, (steps as f64 * warm_up).max(1.0));
    if done < rise {
        return peak * done / rise;
    }
    peak * ((steps as f64 - step as f64) / (steps as f64 - rise + 1.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::student::tiny;
    use super::*;

    const RATES: Rates = Rates { encoder: 1e-2, heads: 1e-2 };

    fn learn(student: &Student, optimizer: &mut Optimizer, steps: usize) -> Vec<f64> {
        (0..steps)
            .map(|_| {
                let (pooled, touched) = student.pooled(&[&[1, 2, 3], &[1, 4]]).unwrap();
                let loss = (&pooled - 0.5).square().mean(Kind::Float);
                optimizer.step(&loss, &[touched], RATES).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_rate_rises_and_falls_to_zero() {
        let rates: Vec<f64> = (0..100).map(|step| rate(1.0, step, 100, 0.1)).collect();
        assert!(rates[0] < rates[5] && rates[5] < rates[9]);
        assert!((rates[9] - 1.0).abs() < 0.02 && rates[50] > rates[51] && rates[99] < 0.02);
    }

    #[test]
    fn steps_lower_the_loss_and_leave_unused_token_vectors_alone() {
        let student = tiny();
        let table = || student.store.variables()[crate::nlp::torch::bert::WORD_EMBEDDINGS].shallow_clone();
        let before = tch::no_grad(|| table().copy());
        let losses = learn(&student, &mut Optimizer::new(&student, 0.9).unwrap(), 20);
        assert!(losses[19] < losses[0] * 0.7, "{losses:?}");
        let moved = (table() - before).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let moved = Vec::<f32>::try_from(moved).unwrap();
        for (id, change) in moved.iter().enumerate() {
            assert_eq!((1..=4).contains(&id), *change > 0.0, "token {id}");
        }
    }

    #[test]
    fn the_mean_lags_behind_the_weights() {
        let student = tiny();
        let mut optimizer = Optimizer::new(&student, 0.99).unwrap();
        let name = "encoder.layer.0.output.dense.weight";
        let value = || tch::no_grad(|| student.store.variables()[name].copy());
        let start = value();
        learn(&student, &mut optimizer, 30);
        let end = value();
        optimizer.settle().unwrap();
        let far = |from: &Tensor, to: &Tensor| (from - to).square().sum(Kind::Float).double_value(&[]);
        assert!(far(&value(), &end) > 0.0);
        assert!(far(&value(), &start) < far(&end, &start));
    }

    #[test]
    fn it_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let student = tiny();
        let mut optimizer = Optimizer::new(&student, 0.9).unwrap();
        learn(&student, &mut optimizer, 3);
        optimizer.save(&path).unwrap();
        let on = learn(&student, &mut optimizer, 5);
        let other = tiny();
        let mut optimizer = Optimizer::new(&other, 0.9).unwrap();
        learn(&other, &mut optimizer, 1);
        optimizer.restore(&path).unwrap();
        assert_eq!(on, learn(&other, &mut optimizer, 5));
    }
}
