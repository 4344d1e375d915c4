//! Logical types: what Connect calls Decimal, Date, Time and Timestamp.
//!
//! In columns their values are those of the base type, and the schema's name says what they stand for: a Date is an `Int32` array,
//! a Timestamp an `Int64` array, a Decimal a view array of unscaled values, of which any size fits. Where no schema says so
//! (schemaless data, lists of mixed items) they are [`ValueRef::Decimal`] and [`ValueRef::Date`].

use std::sync::Arc;

use super::borrowed::ValueRef;
use crate::decimal::DecimalRef;
use crate::java_text::DAY_MS;
use crate::schema::{Schema, SchemaRef, Type};

/// A logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// Decimals of one scale.
    Decimal,
    /// Days since 1970.
    Date,
    /// Milliseconds since midnight.
    Time,
    /// Milliseconds since 1970.
    Timestamp,
}

impl Logical {
    /// The name of its schemas.
    pub const fn name(self) -> &'static str {
        match self {
            Logical::Decimal => "org.apache.kafka.connect.data.Decimal",
            Logical::Date => "org.apache.kafka.connect.data.Date",
            Logical::Time => "org.apache.kafka.connect.data.Time",
            Logical::Timestamp => "org.apache.kafka.connect.data.Timestamp",
        }
    }

    fn schema(self, kind: Type) -> Schema {
        let mut schema = Schema::new(kind).named(self.name());
        schema.version = Some(1);
        schema
    }
}

/// Parameter of a Decimal's schema that holds its scale.
const SCALE: &str = "scale";

impl Schema {
    /// The logical type that the schema's name and base type stand for.
    pub fn logical(&self) -> Option<Logical> {
        let name = self.name.as_deref()?;
        let logical = match self.kind {
            Type::Bytes => Logical::Decimal,
            Type::Int32 if name == Logical::Time.name() => Logical::Time,
            Type::Int32 => Logical::Date,
            Type::Int64 => Logical::Timestamp,
            _ => return None,
        };
        (name == logical.name()).then_some(logical)
    }

    /// The scale of a Decimal, where the schema has one.
    pub fn scale(&self) -> Option<i32> {
        self.parameters.get(SCALE)?.parse().ok()
    }

    /// Decimals of one scale.
    pub fn decimal(scale: i32) -> Schema {
        let mut schema = Logical::Decimal.schema(Type::Bytes);
        schema.parameters.insert(SCALE.to_owned(), scale.to_string());
        schema
    }

    /// Days.
    pub fn date() -> Schema {
        Logical::Date.schema(Type::Int32)
    }

    /// Times of day.
    pub fn time() -> Schema {
        Logical::Time.schema(Type::Int32)
    }

    /// Moments.
    pub fn timestamp() -> Schema {
        Logical::Timestamp.schema(Type::Int64)
    }

    /// The schema of the items of an array.
    pub fn items(&self) -> Option<&SchemaRef> {
        match &self.kind {
            Type::Array(items) => items.as_ref(),
            _ => None,
        }
    }
}

impl<'a> ValueRef<'a> {
    /// The value as Java carries it: what a column holds as an integer or as bytes is a date or a decimal if `schema` says so.
    #[inline]
    pub fn carried(self, schema: Option<&SchemaRef>) -> ValueRef<'a> {
        match schema {
            Some(schema) if schema.name.is_some() => self.carried_by_name(schema),
            _ => self,
        }
    }

    fn carried_by_name(self, schema: &Arc<Schema>) -> ValueRef<'a> {
        match (schema.logical(), self) {
            (Some(Logical::Date), ValueRef::Int32(days)) => ValueRef::Date(i64::from(days) * DAY_MS),
            (Some(Logical::Time), ValueRef::Int32(ms)) => ValueRef::Date(ms.into()),
            (Some(Logical::Timestamp), ValueRef::Int64(ms)) => ValueRef::Date(ms),
            (Some(Logical::Decimal), ValueRef::Bytes(unscaled)) => match schema.scale() {
                Some(scale) => ValueRef::Decimal(DecimalRef { unscaled, scale }),
                None => self,
            },
            _ => self,
        }
    }
}
