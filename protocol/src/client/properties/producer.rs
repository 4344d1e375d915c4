//! `ProducerConfig` from properties (Java: `ProducerConfig#postProcessParsedConfig`, `KafkaProducer#configureDeliveryTimeout`).

use super::PRODUCER;
use super::cluster::{Configured, cluster};
use super::error::PropertyError;
use super::table::Parsed;
use crate::client::producer::{Acks, DELIVERY_RULE, ProducerConfig};
use crate::wire::records::Codec;

const DELIVERY: &str = "delivery.timeout.ms";
const INT_MAX: u64 = i32::MAX as u64;

impl ProducerConfig {
    /// Reads Java's properties of a producer, and the files that `ssl.*` keys name.
    ///
    /// # Errors
    /// The first one that is missing, wrong, refused, or contradicts another one.
    pub fn from_properties(
        props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Configured<Self>, PropertyError> {
        let mut parsed = PRODUCER.parse(props)?;
        let mut cluster = cluster(&mut parsed)?;
        cluster.metadata_max_idle_ms = parsed.count("metadata.max.idle.ms");
        let acks = match parsed.text("acks") {
            Some("0") => Acks::None,
            Some("1") => Acks::Leader,
            _ => Acks::All,
        };
        let retries = parsed.count("retries") as u32;
        let in_flight_max = parsed.size("max.in.flight.requests.per.connection");
        let idempotence = idempotence(&parsed, acks, retries, in_flight_max)?;
        let (compression, compression_level) = compression(&parsed);
        let mut client = Self {
            acks,
            idempotence,
            transactional_id: parsed.text("transactional.id").map(Into::into),
            transaction_timeout_ms: parsed.count("transaction.timeout.ms"),
            linger_ms: parsed.count("linger.ms").min(INT_MAX),
            // As in Java, where 0 turns batching off: every record fills its batch.
            batch_bytes: parsed.size("batch.size").max(1),
            request_bytes_max: parsed.size("max.request.size"),
            buffer_bytes: parsed.size("buffer.memory"),
            compression,
            compression_level,
            delivery_timeout_ms: parsed.count(DELIVERY),
            request_timeout_ms: parsed.count("request.timeout.ms"),
            max_block_ms: parsed.count("max.block.ms"),
            in_flight_max,
            retries,
            retry_backoff_ms: cluster.retry_backoff_ms,
            retry_backoff_max_ms: cluster.retry_backoff_max_ms,
            partitioner_ignores_keys: parsed.boolean("partitioner.ignore.keys"),
            partitioner_is_adaptive: parsed.boolean("partitioner.adaptive.partitioning.enable"),
        };
        // The default gives way to longer other times, what was asked for does not.
        let least_ms = client.delivery_timeout_ms_min();
        if client.delivery_timeout_ms < least_ms && !parsed.is_given(DELIVERY) {
            parsed.warnings.push(format!("{DELIVERY_RULE}. Setting it to {least_ms}."));
            client.delivery_timeout_ms = least_ms;
        }
        if let Some(contradiction) = client.contradiction() {
            return Err(PropertyError::new(contradiction));
        }
        Ok(Configured { cluster, client, warnings: parsed.into_warnings() })
    }
}

/// On where nothing speaks against it; where it was asked for, what speaks against it is an error. More requests in flight than the
/// broker remembers are one in any case.
fn idempotence(
    parsed: &Parsed,
    acks: Acks,
    retries: u32,
    in_flight_max: usize,
) -> Result<bool, PropertyError> {
    let is_wanted = parsed.boolean("enable.idempotence");
    let is_possible = acks == Acks::All && retries > 0;
    if is_wanted && !is_possible && parsed.is_given("enable.idempotence") {
        // For the one place that has the words.
        return Ok(true);
    }
    if is_wanted && let Some(refusal) = ProducerConfig::too_many_in_flight(in_flight_max) {
        return Err(PropertyError::new(refusal));
    }
    Ok(is_wanted && is_possible)
}

fn compression(parsed: &Parsed) -> (Codec, Option<i32>) {
    match parsed.text("compression.type") {
        Some("gzip") => (Codec::Gzip, Some(parsed.int("compression.gzip.level"))),
        Some("snappy") => (Codec::Snappy, None),
        Some("lz4") => (Codec::Lz4, Some(parsed.int("compression.lz4.level"))),
        Some("zstd") => (Codec::Zstd, Some(parsed.int("compression.zstd.level"))),
        _ => (Codec::None, None),
    }
}
