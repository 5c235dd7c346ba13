//! The pipeline: customer lanes, the stages in order, settling, shutdown. It wires the other rooms together and holds no
//! rule of its own about what a message means or where it goes.

pub mod analysis;
pub mod backoff;
pub mod canary;
pub mod lane;
pub mod lanes;
pub mod parking;
pub mod pipeline;
pub mod relay;
pub mod retention;
pub mod service;
pub mod share;
mod spikes;
pub mod stall;
mod suspects;

pub use analysis::Analysis;
pub use lane::LaneContext;
pub use pipeline::{Decided, Pipeline, PipelineError};
pub use service::{Settings, Summary, run, watch_broker};
