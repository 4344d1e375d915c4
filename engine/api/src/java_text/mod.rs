//! Values as Java prints them (`String.valueOf`): what FileStreamSink and StringConverter write.

mod calendar;
mod number;
mod utf8;
mod value;

pub use calendar::{DAY_MS, DateTime, lenient_date};
pub use number::{write_float32, write_float64, write_integer};
pub use utf8::decode_utf8_lossy;
pub use value::{to_string, write, write_under};
