//! The compression codecs by name and number.

use std::fmt;
use std::str::FromStr;

use crate::wire::error::{Error, Result};

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not compressed.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Snappy, in the framing of xerial's snappy-java.
    Snappy,
    /// LZ4 frame format.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// All codecs, in the order of their ids.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in the batch attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this number in the batch attributes.
    ///
    /// # Errors
    /// `Unsupported` for a number that Kafka does not define.
    pub fn from_id(id: u8) -> Result<Codec> {
        Codec::ALL.get(usize::from(id)).copied().ok_or_else(|| {
            Error::unsupported("read compression codec", format!("unknown compression codec id {id}"))
        })
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| {
            Error::config(
                "read compression.type",
                format!("unknown codec {name:?}, use one of none, gzip, snappy, lz4, zstd"),
            )
        })
    }
}
