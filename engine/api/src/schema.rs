//! Connect schemas: the facts about a value that Arrow's types have no place for.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::Value;

/// Schemas are shared, never copied: one per run, compared by pointer first.
pub type SchemaRef = Arc<Schema>;

/// The type of a value (Java: `org.apache.kafka.connect.data.Schema.Type`).
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit IEEE 754 number.
    Float32,
    /// 64-bit IEEE 754 number.
    Float64,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// Any bytes.
    Bytes,
    /// A list; the item schema is absent where a parser saw only nulls.
    Array(Option<SchemaRef>),
    /// A map from key to value schema.
    Map(Option<SchemaRef>, Option<SchemaRef>),
    /// Named fields in a fixed order.
    Struct(Vec<Field>),
}

impl Type {
    /// The name in a JSON schema (`int8`, …, `float`, `double`, `struct`).
    pub fn json_name(&self) -> &'static str {
        match self {
            Type::Int8 => "int8",
            Type::Int16 => "int16",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Float32 => "float",
            Type::Float64 => "double",
            Type::Boolean => "boolean",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Array(_) => "array",
            Type::Map(..) => "map",
            Type::Struct(_) => "struct",
        }
    }

    /// The name that Java prints in messages (`INT8`, …, `FLOAT32`, `STRUCT`).
    pub fn java_name(&self) -> &'static str {
        match self {
            Type::Int8 => "INT8",
            Type::Int16 => "INT16",
            Type::Int32 => "INT32",
            Type::Int64 => "INT64",
            Type::Float32 => "FLOAT32",
            Type::Float64 => "FLOAT64",
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Bytes => "BYTES",
            Type::Array(_) => "ARRAY",
            Type::Map(..) => "MAP",
            Type::Struct(_) => "STRUCT",
        }
    }

    /// The place of a numeric type among those that widen into one another (INT8 to FLOAT64); `None` of others.
    pub fn width(&self) -> Option<u8> {
        Some(match self {
            Type::Int8 => 1,
            Type::Int16 => 2,
            Type::Int32 => 3,
            Type::Int64 => 4,
            Type::Float32 => 5,
            Type::Float64 => 6,
            _ => return None,
        })
    }
}

/// One field of a struct schema; its index is its place in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Field name, unique within the struct.
    pub name: Arc<str>,
    /// Schema of the field.
    pub schema: SchemaRef,
}

/// A Connect schema. Equality covers every member, as Java's `ConnectSchema#equals`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type, with inner schemas.
    pub kind: Type,
    /// Whether null is a value.
    pub optional: bool,
    /// The schema's name; logical types are recognised by it.
    pub name: Option<Arc<str>>,
    /// The schema's version.
    pub version: Option<i32>,
    /// Documentation text.
    pub doc: Option<Arc<str>>,
    /// Free parameters, such as the scale of a Decimal, in the order in which they were set.
    pub parameters: IndexMap<String, String>,
    /// Value used where a record has none.
    pub default: Option<Value>,
}

impl Schema {
    /// A required schema of `kind` with nothing else set.
    pub fn new(kind: Type) -> Schema {
        Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: IndexMap::new(),
            default: None,
        }
    }

    /// The same schema with null allowed.
    #[must_use]
    pub fn optional(mut self) -> Schema {
        self.optional = true;
        self
    }

    /// The same schema with a name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Schema {
        self.name = Some(name.into());
        self
    }

    /// Fields of a struct schema; empty for all others.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            Type::Struct(fields) => fields,
            _ => &[],
        }
    }
}
