//! Where failures come from. Whether the n-th pass of a point fails depends on the seed and on the name of that pass
//! alone, so leaving one failure out leaves the others as they were: a failing schedule can be made smaller.

use std::collections::{BTreeSet, HashMap};

pub struct Chance {
    seed: u64,
    /// Only these failures, by name; all that the seed has, without it.
    only: Option<BTreeSet<String>>,
    passes: HashMap<u64, u32>,
    /// Names of the failures so far.
    pub fired: Vec<String>,
    /// After the troubled time nothing fails any more.
    pub calm: bool,
}

impl Chance {
    pub fn new(seed: u64, only: Option<BTreeSet<String>>) -> Self {
        Self { seed, only, passes: HashMap::new(), fired: Vec::new(), calm: false }
    }

    /// Whether this pass of a point fails.
    pub fn strikes(&mut self, point: &str, subject: &str, per_mille: u64) -> bool {
        if per_mille == 0 {
            return false;
        }
        let (pass, number) = self.draw(point, subject);
        if self.calm || number % 1000 >= per_mille {
            return false;
        }
        let name = format!("{point}/{subject}/{pass}");
        if self.only.as_ref().is_some_and(|only| !only.contains(&name)) {
            return false;
        }
        self.fired.push(name);
        true
    }

    /// A number below `bound`, which is no failure.
    pub fn number(&mut self, point: &str, subject: &str, bound: u64) -> u64 {
        self.draw(point, subject).1 % bound.max(1)
    }

    fn draw(&mut self, point: &str, subject: &str) -> (u32, u64) {
        let place = hash(hash(self.seed, point), subject);
        let pass = self.passes.entry(place).or_default();
        *pass += 1;
        (*pass, mix(place ^ mix(u64::from(*pass))))
    }
}

/// FNV-1a, so that seeds mean the same on every machine.
fn hash(start: u64, text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().chain([0xff]).fold(start ^ 0xcbf2_9ce4_8422_2325, step)
}

/// The end of SplitMix64.
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
