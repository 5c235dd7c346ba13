//! The committed pack with its engine, as the program loads them.

use std::path::Path;

use smista::nlp::engine::{Engine, Window, WindowOutput};
use smista::nlp::pack::Pack;
use smista::nlp::tokens::Tokens;
use smista::nlp::torch::{Precision, TorchEngine, TorchOptions};

pub struct Core {
    pub pack: Pack,
    pub tokens: Tokens,
    pub engine: TorchEngine,
}

pub fn core(precision: Precision) -> Core {
    let pack = Pack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/core")).unwrap();
    let tokens = Tokens::load(&pack).unwrap();
    let engine = TorchEngine::load(&pack, TorchOptions { precision, ..TorchOptions::default() }).unwrap();
    Core { pack, tokens, engine }
}

impl Core {
    /// The first window of a text.
    pub fn window(&self, text: &str) -> Window {
        self.tokens.windows(text).unwrap().remove(0)
    }

    /// What the engine says of it.
    pub fn output(&mut self, text: &str) -> WindowOutput {
        self.engine.infer(&[self.window(text)]).remove(0).unwrap()
    }
}
