//! The encoder while it is trained: weights in single precision, products in bfloat16, and an optimiser that touches
//! only the token vectors a batch has used.

use std::collections::HashMap;
use std::path::Path;

use rust_bert::bert::BertConfig;
use tch::nn::{Optimizer, OptimizerConfig};
use tch::{Device, Kind, TchError, Tensor, nn};

use super::{TrainError, file};
use crate::nlp::torch::bert::{Bert, Kinds, WORD_EMBEDDINGS, mean_pool, pad, reference};

/// Group of the heads' variables in the optimiser; the encoder's is 0.
pub(super) const HEADS: usize = 1;

const BETAS: (f64, f64) = (0.9, 0.999);
const WEIGHT_DECAY: f64 = 0.01;
const GRADIENT_NORM: f64 = 1.0;

/// An encoder in training.
pub(super) struct Student {
    pub(super) store: nn::VarStore,
    pub(super) config: BertConfig,
    variables: HashMap<String, Tensor>,
    kinds: Kinds,
}

/// Token vectors a batch has used: distinct ids and their rows, on which gradients gather.
pub(super) struct Touched {
    ids: Tensor,
    rows: Tensor,
}

pub(super) fn read_config(folder: &Path) -> Result<BertConfig, TrainError> {
    let path = folder.join("config.json");
    let text = file(&path, std::fs::read_to_string(&path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::content(&path, error))
}

impl Student {
    /// Reads `config.json` and `model.safetensors` of a folder. Variables that the file lacks keep their random start.
    pub(super) fn load(folder: &Path, kinds: Kinds) -> Result<Self, TrainError> {
        let config = read_config(folder)?;
        let mut store = nn::VarStore::new(Device::Cpu);
        reference(&store.root(), &config);
        store.load_partial(folder.join("model.safetensors"))?;
        store.float();
        let variables = store.variables();
        Ok(Self { store, config, variables, kinds })
    }

    /// Puts `rows` behind the token vectors and notes the new size in the configuration.
    pub(super) fn grow(folder: &Path, kinds: Kinds, made_of: &[Vec<i64>]) -> Result<Self, TrainError> {
        let small = Self::load(folder, kinds)?;
        let old = small.table()?;
        let mut rows = vec![tch::no_grad(|| old.copy())];
        for ids in made_of {
            let parts = tch::no_grad(|| old.f_index_select(0, &Tensor::from_slice(ids)))?;
            rows.push(parts.f_mean_dim([0i64].as_slice(), true, Kind::Float)?);
        }
        let table = tch::no_grad(|| Tensor::f_cat(&rows, 0))?;
        let config = BertConfig { vocab_size: table.size()[0], ..small.config.clone() };
        let store = nn::VarStore::new(Device::Cpu);
        reference(&store.root(), &config);
        let variables = store.variables();
        tch::no_grad(|| {
            for (name, variable) in &variables {
                let value = if name == WORD_EMBEDDINGS { &table } else { &small.variables[name] };
                variable.shallow_clone().f_copy_(value)?;
            }
            Ok::<_, TchError>(())
        })?;
        Ok(Self { store, config, variables, kinds })
    }

    fn table(&self) -> Result<&Tensor, TchError> {
        let missing = || TchError::TensorNameNotFound(WORD_EMBEDDINGS.to_owned(), "the encoder".to_owned());
        self.variables.get(WORD_EMBEDDINGS).ok_or_else(missing)
    }

    /// Mean-pooled vectors with their gradients.
    pub(super) fn pooled(&self, sequences: &[&[u32]]) -> Result<(Tensor, Touched), TchError> {
        let length = sequences.iter().map(|ids| ids.len()).max().unwrap_or(1);
        let (distinct, places) = distinct(sequences);
        let places: Vec<&[u32]> = places.iter().map(Vec::as_slice).collect();
        let (places, mask) = pad(&places, length)?;
        let distinct = Tensor::f_from_slice(&distinct)?;
        let rows =
            tch::no_grad(|| self.table()?.f_index_select(0, &distinct))?.detach().set_requires_grad(true);
        let words = Tensor::f_embedding(&rows, &places, -1, false, false)?;
        let bert = Bert::new(&self.variables, &self.config, self.kinds)?;
        let pooled = mean_pool(&bert.forward(&words, mask.as_ref())?, mask.as_ref())?;
        Ok((pooled, Touched { ids: distinct, rows }))
    }

    /// Mean-pooled vectors without gradients, in batches.
    pub(super) fn embed(&self, sequences: &[&[u32]], batch: usize) -> Result<Tensor, TchError> {
        tch::no_grad(|| {
            let bert = Bert::new(&self.variables, &self.config, self.kinds)?;
            let mut order: Vec<usize> = (0..sequences.len()).collect();
            order.sort_by_key(|row| sequences[*row].len());
            let result = Tensor::f_zeros(
                [sequences.len() as i64, self.config.hidden_size],
                (Kind::Float, Device::Cpu),
            )?;
            for rows in order.chunks(batch.max(1)) {
                let chosen: Vec<&[u32]> = rows.iter().map(|row| sequences[*row]).collect();
                let (ids, mask) = pad(&chosen, chosen.iter().map(|ids| ids.len()).max().unwrap_or(1))?;
                let words = Tensor::f_embedding(self.table()?, &ids, -1, false, false)?;
                let pooled = mean_pool(&bert.forward(&words, mask.as_ref())?, mask.as_ref())?;
                let at: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
                let _ = result.shallow_clone().f_index_copy_(0, &Tensor::from_slice(&at), &pooled)?;
            }
            Ok(result)
        })
    }

    /// Writes weights and configuration into a folder.
    pub(super) fn save(&self, folder: &Path) -> Result<(), TrainError> {
        file(folder, std::fs::create_dir_all(folder))?;
        let tensors: Vec<(String, Tensor)> = tch::no_grad(|| {
            let mut all: Vec<_> = self.store.variables().into_iter().collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all.into_iter().map(|(name, tensor)| (name, tensor.detach().contiguous())).collect()
        });
        Tensor::write_safetensors(&tensors, folder.join("model.safetensors"))?;
        let path = folder.join("config.json");
        let json =
            serde_json::to_string_pretty(&self.config).map_err(|error| TrainError::content(&path, error))?;
        file(&path, std::fs::write(&path, json))
    }
}

/// The ids in use, each once, and the sequences again as places among them.
fn distinct(sequences: &[&[u32]]) -> (Vec<i64>, Vec<Vec<u32>>) {
    let mut place_of: HashMap<u32, u32> = HashMap::new();
    let mut ids = Vec::new();
    let places = sequences.iter().map(|sequence| {
        let place = |id: &u32| {
            *place_of.entry(*id).or_insert_with(|| {
                ids.push(i64::from(*id));
                ids.len() as u32 - 1
            })
        };
        sequence.iter().map(place).collect()
    });
    let places = places.collect();
    (ids, places)
}

/// AdamW over encoder and heads, with rows of the token table updated only when a batch has used them.
pub(super) struct Teacher {
    optimizer: Optimizer,
    first: Tensor,
    second: Tensor,
    step: i32,
    with_heads: bool,
}

impl Teacher {
    pub(super) fn new(student: &Student) -> Result<Self, TchError> {
        let optimizer = nn::adamw(BETAS.0, BETAS.1, WEIGHT_DECAY).build(&student.store, 0.0)?;
        // Asking libtorch for a group without variables is an error.
        let with_heads = student.store.variables().keys().any(|name| name.starts_with("heads."));
        let zeros = || Tensor::f_zeros_like(student.table()?).map(|tensor| tensor.detach());
        Ok(Self { optimizer, first: zeros()?, second: zeros()?, step: 0, with_heads })
    }

    /// One step down the gradient of `loss`; gives the loss.
    pub(super) fn step(
        &mut self,
        student: &Student,
        loss: &Tensor,
        touched: &[Touched],
        encoder_rate: f64,
        head_rate: f64,
    ) -> Result<f64, TchError> {
        self.step += 1;
        self.optimizer.zero_grad();
        loss.f_backward()?;
        self.optimizer.clip_grad_norm(GRADIENT_NORM);
        self.optimizer.set_lr_group(0, encoder_rate);
        if self.with_heads {
            self.optimizer.set_lr_group(HEADS, head_rate);
        }
        self.optimizer.step();
        for part in touched {
            tch::no_grad(|| self.rows(student.table()?, part, encoder_rate))?;
        }
        loss.f_double_value(&[])
    }

    fn rows(&mut self, table: &Tensor, part: &Touched, rate: f64) -> Result<(), TchError> {
        let gradient = part.rows.f_grad()?;
        let blend = |state: &Tensor, new: &Tensor, beta: f64| {
            state.f_index_select(0, &part.ids)?.f_mul_scalar(beta)?.f_add(&new.f_mul_scalar(1.0 - beta)?)
        };
        let first = blend(&self.first, &gradient, BETAS.0)?;
        let second = blend(&self.second, &gradient.f_square()?, BETAS.1)?;
        let corrected = |state: &Tensor, beta: f64| state.f_div_scalar(1.0 - beta.powi(self.step));
        let down = corrected(&second, BETAS.1)?.f_sqrt()?.f_add_scalar(1e-8)?;
        let change = corrected(&first, BETAS.0)?.f_div(&down)?.f_mul_scalar(rate)?;
        let _ = table.shallow_clone().f_index_copy_(0, &part.ids, &part.rows.f_sub(&change)?)?;
        let _ = self.first.f_index_copy_(0, &part.ids, &first)?;
        let _ = self.second.f_index_copy_(0, &part.ids, &second)?;
        Ok(())
    }
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
    use super::*;

    #[test]
    fn ids_are_listed_once_and_found_again() {
        let (ids, places) = distinct(&[&[7, 9, 7], &[9, 3]]);
        assert_eq!((ids, places), (vec![7, 9, 3], vec![vec![0, 1, 0], vec![1, 2]]));
    }

    #[test]
    fn the_rate_rises_and_falls_to_zero() {
        let rates: Vec<f64> = (0..100).map(|step| rate(1.0, step, 100, 0.1)).collect();
        assert!(rates[0] < rates[5] && rates[5] < rates[9]);
        assert!((rates[9] - 1.0).abs() < 0.02 && rates[50] > rates[51] && rates[99] < 0.02);
    }

    fn tiny() -> Student {
        tch::manual_seed(1);
        let config = BertConfig {
            hidden_size: 16,
            intermediate_size: 32,
            num_attention_heads: 2,
            num_hidden_layers: 1,
            vocab_size: 20,
            max_position_embeddings: 8,
            ..BertConfig::default()
        };
        let store = nn::VarStore::new(Device::Cpu);
        reference(&store.root(), &config);
        let variables = store.variables();
        Student { store, config, variables, kinds: Kinds::F32 }
    }

    #[test]
    fn steps_lower_the_loss_and_leave_unused_token_vectors_alone() {
        let student = tiny();
        let before = tch::no_grad(|| student.table().unwrap().copy());
        let mut teacher = Teacher::new(&student).unwrap();
        let mut losses = Vec::new();
        for _ in 0..20 {
            let (pooled, touched) = student.pooled(&[&[1, 2, 3], &[1, 4]]).unwrap();
            let loss = (&pooled - 0.5).square().mean(Kind::Float);
            losses.push(teacher.step(&student, &loss, &[touched], 1e-2, 1e-2).unwrap());
        }
        assert!(losses[19] < losses[0] * 0.7, "{losses:?}");
        let moved =
            (student.table().unwrap() - before).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let moved = Vec::<f32>::try_from(moved).unwrap();
        for (id, change) in moved.iter().enumerate() {
            assert_eq!((1..=4).contains(&id), *change > 0.0, "token {id}");
        }
    }

    #[test]
    fn embedding_in_batches_keeps_the_order() {
        let student = tiny();
        let sequences: Vec<&[u32]> = vec![&[1, 2, 3, 4], &[5], &[6, 7]];
        let together = student.embed(&sequences, 2).unwrap();
        for (row, sequence) in sequences.iter().enumerate() {
            let alone = student.embed(&[sequence], 1).unwrap();
            assert!((together.get(row as i64) - alone.get(0)).abs().max().double_value(&[]) < 1e-5);
        }
    }
}
