//! The conformance suite: what the engine expects of any plug-in, as a test of one line (feature `conformance`, for dev-dependencies).
//!
//! ```ignore
//! #[test]
//! fn the_source_conforms() {
//!     api::conformance::source::<MySource>(|| SourceCase { props: props(&[("file", &path)]), records: 100, ends: true });
//! }
//! ```
//!
//! | suite | what it shows |
//! |---|---|
//! | [`source`] | table and task configurations are sane; every record comes once and in order, also if `poll` is dropped at any await; the offset of any record resumes right after it; acknowledgements of records that arrived, and of dropped ones, are taken; nothing blocks the thread; stopping twice, or without a start, is harmless |
//! | [`sink`] | table and task configurations are sane; null, empty, huge and odd values end in `Ok` or a typed error; after `pre_commit` what was put is there; the same batch may come twice; partitions come and go; pauses, stopping twice |
//! | [`converter`] | null stays null, errors name rows, segments cover every row, arbitrary bytes never panic |
//! | [`transform`] | records keep their order and their columns their lengths; failed rows are left out; nothing of what it says not to touch is decoded |
//!
//! A failure panics with what was expected: these functions belong in tests.

mod converter;
mod plugin;
mod sink;
mod source;
mod transform;
mod watch;

pub use converter::converter;
pub use sink::{SinkCase, sink};
pub use source::{SourceCase, source};
pub use transform::transform;
