//! The machine of a standalone worker: one connector's work in the order asked for, nothing kept between runs.

mod connector;

mod steps;

mod displaced;

mod machine;

mod view;

mod hidden;

mod restart;

pub use machine::Herd;

#[cfg(test)]
mod tests;
