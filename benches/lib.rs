//! Micro-benchmarks, and what several of them share.

pub mod counted;
