//! The pure core of a worker's membership, step by step.
