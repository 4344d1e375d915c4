//! Values as Java prints them (`String.valueOf`): what FileStreamSink and StringConverter write. Dates under a pattern, and numbers, as
//! Java prints and reads them.

mod calendar;
mod column;
mod date_format;
mod digit;
mod number;
mod read_number;
mod room;
mod utf8;
mod value;
mod weeks;

pub use calendar::{DAY_MS, DateTime};
pub use column::ColumnText;
pub use date_format::DateFormat;
pub use digit::digit;
pub use number::{write_float32, write_float64, write_integer};
pub use read_number::{read_float32, read_float64, read_integer};
pub use room::{FLOAT_ROOM, INTEGER_ROOM, put_float64, put_integer};
pub use utf8::decode_utf8_lossy;
pub use value::{to_string, write, write_under};
