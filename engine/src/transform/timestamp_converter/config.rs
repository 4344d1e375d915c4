//! The settings of TimestampConverter.

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::java_text::DateFormat;
use api::{Error, Result, Schema, Type};

use crate::rt::clock;
use crate::transform::field::replace_null_key;

pub(super) const FIELD: &str = "field";
const TARGET_TYPE: &str = "target.type";
const FORMAT: &str = "format";
const UNIX_PRECISION: &str = "unix.precision";

/// What is made of timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    String,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Target {
    /// The schema of the result.
    pub(super) fn schema(self, is_optional: bool) -> Schema {
        let schema = match self {
            Target::String => Schema::new(Type::String),
            Target::Unix => Schema::new(Type::Int64),
            Target::Date => Schema::date(),
            Target::Time => Schema::time(),
            Target::Timestamp => Schema::timestamp(),
        };
        if is_optional { schema.optional() } else { schema }
    }
}

/// What a number of Unix time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Precision {
    /// Milliseconds, as `TimeUnit#toMillis`: cut off towards zero, or as many as there can be.
    pub(super) fn to_ms(self, value: i64) -> i64 {
        match self {
            Precision::Seconds => value.saturating_mul(1000),
            Precision::Milliseconds => value,
            Precision::Microseconds => value / 1000,
            Precision::Nanoseconds => value / 1_000_000,
        }
    }

    /// What milliseconds are in this unit.
    pub(super) fn of_ms(self, ms: i64) -> i64 {
        match self {
            Precision::Seconds => ms / 1000,
            Precision::Milliseconds => ms,
            Precision::Microseconds => ms.saturating_mul(1000),
            Precision::Nanoseconds => ms.saturating_mul(1_000_000),
        }
    }
}

/// How timestamps are read and written.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) target: Target,
    pub(super) precision: Precision,
    /// The pattern with what it means; none where it is not given.
    pub(super) format: Option<(String, DateFormat)>,
}

impl Rules {
    pub(super) fn table() -> ConfigDef {
        let key = |name, default, importance, doc| {
            ConfigKey::new(name, ConfigType::String, default, importance, doc)
        };
        ConfigDef::default()
            .key(key(
                FIELD,
                Default::Value(""),
                Importance::High,
                "Field with the timestamp; empty where the key or value as a whole is one.",
            ))
            .key(
                key(
                    TARGET_TYPE,
                    Default::Required,
                    Importance::High,
                    "What to make of the timestamp: string, unix, Date, Time or Timestamp.",
                )
                .checked(|value| validators::one_of(value, &["string", "unix", "Date", "Time", "Timestamp"])),
            )
            .key(key(
                FORMAT,
                Default::Value(""),
                Importance::Medium,
                "How timestamps are written as text, in UTC: a pattern of Java's SimpleDateFormat. For the target string, and where \
                 timestamps are text.",
            ))
            .key(
                key(
                    UNIX_PRECISION,
                    Default::Value("milliseconds"),
                    Importance::Low,
                    "What Unix time counts: seconds, milliseconds, microseconds or nanoseconds. Below milliseconds nothing is kept.",
                )
                .checked(|value| {
                    validators::one_of(value, &["nanoseconds", "microseconds", "milliseconds", "seconds"])
                }),
            )
            .key(replace_null_key())
    }

    /// The rules that settings give.
    ///
    /// # Errors
    /// When there is no pattern where one is needed, or none that is one.
    pub(super) fn of(config: &Config) -> Result<Rules> {
        let target = match config.string(TARGET_TYPE) {
            "string" => Target::String,
            "unix" => Target::Unix,
            "Date" => Target::Date,
            "Time" => Target::Time,
            _ => Target::Timestamp,
        };
        let precision = match config.string(UNIX_PRECISION) {
            "seconds" => Precision::Seconds,
            "microseconds" => Precision::Microseconds,
            "nanoseconds" => Precision::Nanoseconds,
            _ => Precision::Milliseconds,
        };
        let pattern = config.string(FORMAT);
        let is_blank = pattern.trim().is_empty();
        if is_blank && target == Target::String {
            return Err(Error::config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = if is_blank {
            None
        } else {
            // Java puts the exception where the value belongs.
            let format = DateFormat::new(pattern, clock::unix_ms()).map_err(|message| {
                Error::config(format!(
                    "Invalid value java.lang.IllegalArgumentException: {message} for configuration TimestampConverter requires a \
                     SimpleDateFormat-compatible pattern for string timestamps: {pattern}"
                ))
            })?;
            Some((pattern.to_owned(), format))
        };
        Ok(Rules { target, precision, format })
    }
}
