//! The request and response messages, which are those of the `kafka-protocol` crate, and the traits that our generic
//! functions need. Its record layer is not re-exported: use [`super::records`](crate::wire).

pub use kafka_protocol::messages::*;
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};
