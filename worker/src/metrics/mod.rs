//! The worker's metrics: what is measured, under which names, and how it is shown.

mod windows;

pub(crate) use windows::windows;
