//! The command line: what each command takes, and its exit code.

mod arguments;

mod serve;

mod validate;

mod plugins;

mod offsets;

mod broker;

mod quickstart;

mod signals;

pub use arguments::run;
