//! The encoder while it is trained: weights in single precision, products in bfloat16, and gradients only for the token
//! vectors that a batch uses.

use std::collections::HashMap;
use std::path::Path;

use rust_bert::bert::BertConfig;
use tch::{Device, Kind, TchError, Tensor, nn};

use super::recipe::{Precision, Recipe};
use super::{TrainError, file};
use crate::nlp::torch::bert::{Bert, Kinds, WORD_EMBEDDINGS, mean_pool, pad, reference};

/// An encoder in training.
pub(super) struct Student {
    pub(super) store: nn::VarStore,
    pub(super) config: BertConfig,
    variables: HashMap<String, Tensor>,
    kinds: Kinds,
    /// Dropout inside the encoder while it learns.
    pub(super) dropout: f64,
}

/// Token vectors a batch has used: distinct ids and their rows, on which gradients gather.
pub(super) struct Touched {
    pub(super) ids: Tensor,
    pub(super) rows: Tensor,
}

pub(super) fn read_config(folder: &Path) -> Result<BertConfig, TrainError> {
    let path = folder.join("config.json");
    let text = file(&path, std::fs::read_to_string(&path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::content(&path, error))
}

/// What the recipe says about precision.
pub(super) fn kinds(recipe: &Recipe) -> Kinds {
    match recipe.precision {
        Precision::Bf16 => Kinds::MIXED,
        Precision::F32 => Kinds::F32,
    }
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
        Ok(Self { store, config, variables, kinds, dropout: 0.0 })
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
        Ok(Self { store, config, variables, kinds, dropout: 0.0 })
    }

    fn table(&self) -> Result<&Tensor, TchError> {
        let missing = || TchError::TensorNameNotFound(WORD_EMBEDDINGS.to_owned(), "the encoder".to_owned());
        self.variables.get(WORD_EMBEDDINGS).ok_or_else(missing)
    }

    /// Mean-pooled vectors with their gradients.
    pub(super) fn pooled(&self, sequences: &[&[u32]]) -> Result<(Tensor, Touched), TchError> {
        let ([pooled, _], touched) = self.pooled_twice(sequences)?;
        Ok((pooled, touched))
    }

    /// Mean-pooled vectors of the last and of the inner layer with their gradients.
    pub(super) fn pooled_twice(&self, sequences: &[&[u32]]) -> Result<([Tensor; 2], Touched), TchError> {
        let length = sequences.iter().map(|ids| ids.len()).max().unwrap_or(1);
        let (distinct, places) = distinct(sequences);
        let places: Vec<&[u32]> = places.iter().map(Vec::as_slice).collect();
        let (places, mask) = pad(&places, length)?;
        let distinct = Tensor::f_from_slice(&distinct)?;
        let rows =
            tch::no_grad(|| self.table()?.f_index_select(0, &distinct))?.detach().set_requires_grad(true);
        let words = Tensor::f_embedding(&rows, &places, -1, false, false)?;
        let bert = Bert::new(&self.variables, &self.config, self.kinds)?.with_dropout(self.dropout);
        let (last, inner) = bert.encode_through(&bert.embed(&words)?, mask.as_ref())?;
        let pooled = [mean_pool(&last, mask.as_ref())?, mean_pool(&inner, mask.as_ref())?];
        Ok((pooled, Touched { ids: distinct, rows }))
    }

    /// Mean-pooled vectors without gradients, in batches.
    pub(super) fn embed(&self, sequences: &[&[u32]], batch: usize) -> Result<Tensor, TchError> {
        let [last, _] = self.embed_twice(sequences, batch)?;
        Ok(last)
    }

    /// Mean-pooled vectors of the last and of the inner layer without gradients, in batches.
    pub(super) fn embed_twice(&self, sequences: &[&[u32]], batch: usize) -> Result<[Tensor; 2], TchError> {
        tch::no_grad(|| {
            let bert = Bert::new(&self.variables, &self.config, self.kinds)?;
            let mut order: Vec<usize> = (0..sequences.len()).collect();
            order.sort_by_key(|row| sequences[*row].len());
            let shape = [sequences.len() as i64, self.config.hidden_size];
            let empty = || Tensor::f_zeros(shape, (Kind::Float, Device::Cpu));
            let result = [empty()?, empty()?];
            for rows in order.chunks(batch.max(1)) {
                let chosen: Vec<&[u32]> = rows.iter().map(|row| sequences[*row]).collect();
                let (ids, mask) = pad(&chosen, chosen.iter().map(|ids| ids.len()).max().unwrap_or(1))?;
                let words = Tensor::f_embedding(self.table()?, &ids, -1, false, false)?;
                let (last, inner) = bert.encode_through(&bert.embed(&words)?, mask.as_ref())?;
                let at: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
                let at = Tensor::from_slice(&at);
                for (result, hidden) in result.iter().zip([last, inner]) {
                    let pooled = mean_pool(&hidden, mask.as_ref())?;
                    let _ = result.shallow_clone().f_index_copy_(0, &at, &pooled)?;
                }
            }
            Ok(result)
        })
    }

    /// Moves every weight by this share of the way to the other's.
    pub(super) fn approach(&self, other: &Self, share: f64) -> Result<(), TchError> {
        tch::no_grad(|| {
            for (name, variable) in &self.variables {
                if let Some(goal) = other.variables.get(name) {
                    let _ = variable.shallow_clone().f_lerp_(goal, share)?;
                }
            }
            Ok(())
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

/// A student of one small layer, always the same.
#[cfg(test)]
pub(super) fn tiny() -> Student {
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
    Student { store, config, variables, kinds: Kinds::F32, dropout: 0.0 }
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
