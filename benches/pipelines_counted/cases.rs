//! What is counted: one line for each case.

#[path = "../../loadtest/src/customers.rs"]
mod customers;

use protocol::wire::records::Codec;

/// Of `customers::record`.
const SCHEMA: &str = include_str!("../../loadtest/src/customers.schema.json").trim_ascii_end();

/// What records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// So many bytes.
    Text(usize),
    /// An object of seven fields.
    Json,
    /// The same with its schema.
    Envelope,
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    ToNull {
        tier: &'static str,
    },
    ToFile,
    FromFile,
    Datagen {
        format: &'static str,
    },
    /// A topic to another one.
    Mirror,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) route: Route,
    pub(crate) payload: Payload,
    /// Whether InsertField, ReplaceField and Cast are in between.
    pub(crate) transforms: bool,
    pub(crate) compression: Codec,
    pub(crate) partitions: i32,
    /// Uncompressed bytes of a batch in the topics that are read.
    pub(crate) batch_bytes: usize,
    /// Of the longer phase.
    pub(crate) records: u64,
}

const BASE: Case = Case {
    name: "",
    route: Route::ToNull { tier: "index" },
    payload: Payload::Text(100),
    transforms: false,
    compression: Codec::None,
    partitions: 1,
    batch_bytes: 256 << 10,
    records: 80_000,
};
const KB: Case = Case { payload: Payload::Text(1_000), records: 16_000, ..BASE };
const TO_FILE: Case = Case { route: Route::ToFile, ..BASE };
const FROM_FILE: Case = Case { route: Route::FromFile, ..BASE };
const MIRROR: Case = Case { route: Route::Mirror, ..BASE };
const JSON: Case = Case {
    route: Route::ToNull { tier: "columns" },
    payload: Payload::Json,
    transforms: true,
    records: 40_000,
    ..BASE
};

/// All cases.
pub(crate) const CASES: &[Case] = &[
    Case { name: "null-100-bytes", route: Route::ToNull { tier: "bytes" }, ..BASE },
    Case { name: "null-100", ..BASE },
    Case { name: "null-100-16p", partitions: 16, ..BASE },
    Case { name: "null-100-lz4", compression: Codec::Lz4, ..BASE },
    Case { name: "null-100-zstd", compression: Codec::Zstd, ..BASE },
    Case { name: "null-100-string", route: Route::ToNull { tier: "columns" }, ..BASE },
    Case { name: "null-1k", ..KB },
    Case { name: "file-100", ..TO_FILE },
    Case { name: "file-1k", route: Route::ToFile, ..KB },
    Case { name: "source-100", ..FROM_FILE },
    Case { name: "source-100-16p", partitions: 16, ..FROM_FILE },
    Case { name: "source-100-lz4", compression: Codec::Lz4, ..FROM_FILE },
    Case { name: "source-100-zstd", compression: Codec::Zstd, ..FROM_FILE },
    Case { name: "source-1k", route: Route::FromFile, ..KB },
    Case { name: "datagen-100", route: Route::Datagen { format: "text" }, ..BASE },
    Case { name: "datagen-struct-json", route: Route::Datagen { format: "struct" }, ..BASE },
    Case { name: "mirror-100", ..MIRROR },
    // What Java's producers write by default: joined on the way.
    Case { name: "mirror-100-16kb", batch_bytes: 16 << 10, ..MIRROR },
    Case { name: "mirror-100-zstd", compression: Codec::Zstd, ..MIRROR },
    Case { name: "mirror-1k", route: Route::Mirror, ..KB },
    Case { name: "envelope-null", payload: Payload::Envelope, transforms: false, ..JSON },
    Case { name: "transforms-null", ..JSON },
    Case { name: "transforms-file", route: Route::ToFile, ..JSON },
];

impl Route {
    pub(crate) fn is_source(self) -> bool {
        matches!(self, Route::FromFile | Route::Datagen { .. } | Route::Mirror)
    }
}

impl Payload {
    /// Record number `number`. No two are equal, and none has a line end.
    pub(crate) fn record(self, number: u64) -> Vec<u8> {
        match self {
            Payload::Text(bytes) => text(number, bytes),
            Payload::Json => customers::record(number as i64).into_bytes(),
            Payload::Envelope => {
                let payload = customers::record(number as i64);
                format!(r#"{{"schema":{SCHEMA},"payload":{payload}}}"#).into_bytes()
            }
        }
    }
}

/// Numbers among words, so that codecs have some work.
fn text(number: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("{number:010}");
    // xorshift64: needs a state that is not zero.
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!(" {:x} paid in Oslo", state >> 52));
    }
    text.truncate(bytes);
    text.into_bytes()
}

impl Case {
    /// Class and settings of the converter of values.
    pub(crate) fn converter(&self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match (self.route, self.payload) {
            (_, Payload::Json) => (".JsonConverter", &[("schemas.enable", "false")]),
            (_, Payload::Envelope) | (Route::Datagen { format: "struct" }, _) => (".JsonConverter", &[]),
            (Route::ToNull { tier: "bytes" | "index" } | Route::Mirror, _) => (".ByteArrayConverter", &[]),
            _ => (".StringConverter", &[]),
        }
    }
}
