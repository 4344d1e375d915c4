//! `aqueduct quickstart`: a broker, a worker and a pipeline in one process, so that data flows within a minute of a clone.
//!
//! ```text
//! feed ─▶ quickstart-input.jsonl ─▶ FileStreamSource ─▶ topic quickstart ─▶ JsonConverter ─▶ FileStreamSink ─▶ quickstart-output.txt
//! ```

mod feed;

mod check;

mod progress;

mod run;

pub(super) use run::{Options, run};
