//! How far a stage has come, on disk: an interrupted stage goes on from its last checkpoint when it is called again
//! with the same recipe and the same rows, and starts anew when they differ.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::optimizer::Optimizer;
use super::{TrainError, file};

const EVERY: Duration = Duration::from_secs(180);

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    fingerprint: String,
    step: usize,
    loss: f64,
}

/// The checkpoint of one stage.
pub(super) struct Checkpoint {
    mark: PathBuf,
    state: PathBuf,
    fingerprint: String,
    written: Instant,
}

impl Checkpoint {
    /// In `folder`; `fingerprint` tells one run of the stage from another.
    pub(super) fn new(folder: &Path, fingerprint: String) -> Result<Self, TrainError> {
        file(folder, std::fs::create_dir_all(folder))?;
        let (mark, state) = (folder.join("checkpoint.json"), folder.join("checkpoint.safetensors"));
        Ok(Self { mark, state, fingerprint, written: Instant::now() })
    }

    /// Steps done and their average loss, with the optimiser brought to where it was; none when there is no checkpoint
    /// of this very run.
    pub(super) fn resume(&self, optimizer: &mut Optimizer) -> Result<Option<(usize, f64)>, TrainError> {
        let Ok(text) = std::fs::read_to_string(&self.mark) else { return Ok(None) };
        let mark: Mark =
            serde_json::from_str(&text).map_err(|error| TrainError::content(&self.mark, error))?;
        if mark.fingerprint != self.fingerprint {
            return Ok(None);
        }
        optimizer.restore(&self.state)?;
        Ok(Some((mark.step, mark.loss)))
    }

    /// Writes a checkpoint when the last one is some minutes old.
    pub(super) fn after(&mut self, optimizer: &Optimizer, step: usize, loss: f64) -> Result<(), TrainError> {
        if self.written.elapsed() < EVERY {
            return Ok(());
        }
        self.write(optimizer, step, loss)
    }

    fn write(&mut self, optimizer: &Optimizer, step: usize, loss: f64) -> Result<(), TrainError> {
        // Without a mark the state belongs to nobody: so the old mark goes first.
        self.remove_mark()?;
        optimizer.save(&self.state)?;
        let mark = Mark { fingerprint: self.fingerprint.clone(), step, loss };
        let json = serde_json::to_string(&mark).map_err(|error| TrainError::content(&self.mark, error))?;
        file(&self.mark, std::fs::write(&self.mark, json))?;
        self.written = Instant::now();
        Ok(())
    }

    /// The stage is done: nothing is left to go on with.
    pub(super) fn finish(self) -> Result<(), TrainError> {
        self.remove_mark()?;
        match std::fs::remove_file(&self.state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => file(&self.state, Err(error)),
            _ => Ok(()),
        }
    }

    fn remove_mark(&self) -> Result<(), TrainError> {
        match std::fs::remove_file(&self.mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => file(&self.mark, Err(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::student::tiny;
    use super::*;

    #[test]
    fn only_the_same_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let student = tiny();
        let mut optimizer = Optimizer::new(&student, 0.0).unwrap();
        let open = |fingerprint: &str| Checkpoint::new(folder.path(), fingerprint.to_owned()).unwrap();
        assert_eq!(open("a").resume(&mut optimizer).unwrap(), None);
        let mut checkpoint = open("a");
        checkpoint.after(&optimizer, 7, 0.5).unwrap();
        assert_eq!(open("a").resume(&mut optimizer).unwrap(), None, "too early to write");
        checkpoint.write(&optimizer, 7, 0.5).unwrap();
        assert_eq!(open("a").resume(&mut optimizer).unwrap(), Some((7, 0.5)));
        assert_eq!(open("b").resume(&mut optimizer).unwrap(), None);
        open("a").finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
