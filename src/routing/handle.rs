//! The running policy, exchanged without a pause; a bad text changes nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::compile::Policy;
use super::policy::PolicyError;

/// The running policy. Cheap to clone; all clones see the same policy.
#[derive(Debug, Clone)]
pub struct PolicyHandle {
    current: Arc<ArcSwap<Policy>>,
}

impl PolicyHandle {
    /// Starts with `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(policy)) }
    }

    /// The policy now; keep it for one message, so that the whole decision is made by one policy.
    pub fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Compiles `text` and takes it over. A bad one is refused and the running one stays. Returns the id now running.
    pub fn reload(&self, text: &str, file: &str) -> Result<String, PolicyError> {
        let policy = Policy::from_text(text, file)?;
        let id = policy.id();
        self.current.store(Arc::new(policy));
        Ok(id)
    }
}
