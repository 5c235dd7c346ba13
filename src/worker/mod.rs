//! The pipeline: customer lanes, the stages in order, settling, shutdown. It wires the other rooms together.
