//! sms
use super::normalise::normalise;
pub(super) fn clean(text: &str) -> String {
    normalise(text)
}
