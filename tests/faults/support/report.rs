//! What a row found, as one JSON file per row in the folder that `SMISTA_FAULTS_REPORT` names; `scripts/faults` makes
//! docs/reliability.md of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::verdict::Timed;

/// A row of the fault matrix.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    pub row: u8,
    /// Distinguishes several runs of one row.
    pub part: &'static str,
    pub fault: &'static str,
    /// What has to hold beside the invariant.
    pub bar: &'static str,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub row: Row,
    pub form: &'static str,
    /// The day it was run.
    pub on: String,
    /// How many processes wanted to run during the last minute, and on how many processors.
    pub load: String,
    /// What was done, with counts.
    pub done: String,
    pub inputs: usize,
    pub decided: usize,
    pub parked: usize,
    pub lost: usize,
    /// Messages whose effect on the customer is not exactly one.
    pub effects_not_one: usize,
    /// Copies of a decision beyond the first, under the same id.
    pub published_again: usize,
    pub order_violations: usize,
    /// Outbox rows not sent and input not acked at the end.
    pub left_over: usize,
    pub times: Vec<Timed>,
    pub figures: BTreeMap<&'static str, Value>,
    pub faults: Vec<String>,
    pub state: &'static str,
}

impl Report {
    /// What stands there until the row has come to its end.
    pub fn begin(row: Row) -> Self {
        let report = Self {
            row,
            form: super::by_form("short", "long"),
            on: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            load: load(),
            done: String::new(),
            inputs: 0,
            decided: 0,
            parked: 0,
            lost: 0,
            effects_not_one: 0,
            published_again: 0,
            order_violations: 0,
            left_over: 0,
            times: Vec::new(),
            figures: BTreeMap::new(),
            faults: vec!["it did not come to its end".to_owned()],
            state: "fails",
        };
        report.write();
        report
    }

    pub fn write(&self) {
        let Ok(folder) = std::env::var("SMISTA_FAULTS_REPORT") else { return };
        let file = format!("{folder}/row-{:02}{}.json", self.row.row, self.row.part);
        std::fs::write(file, serde_json::to_string(self).unwrap()).unwrap();
    }
}

/// What else the machine had to do; it counts the row itself too.
pub fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute: f64 = average.split(' ').next().and_then(|minute| minute.parse().ok()).unwrap_or_default();
    format!("{minute:.0} on {}", std::thread::available_parallelism().map_or(1, usize::from))
}

/// A row that cannot run here.
pub fn left_out(row: Row, why: &str) {
    eprintln!("left out: {why}");
    let mut report = Report::begin(row);
    report.faults = vec![why.to_owned()];
    report.state = "left out";
    report.write();
}
