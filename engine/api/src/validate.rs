//! Whether a value is one of a schema (`ConnectSchema#validateValue`).

use std::fmt::Display;

use crate::error::{Error, Result};
use crate::schema::{Schema, Type};
use crate::value::{Logical, ValueRef};

impl Schema {
    /// Checks a value of a record. Values of logical types may be what columns hold or what Java carries them in.
    ///
    /// # Errors
    /// In Java's words: null where a value is required, or a value of another type.
    pub fn validate(&self, value: ValueRef<'_>) -> Result<()> {
        check(self, value, &"value")
    }

    /// Checks the value of a field.
    ///
    /// # Errors
    /// As [`Schema::validate`].
    pub fn validate_field(&self, name: &str, value: ValueRef<'_>) -> Result<()> {
        check(self, value, &format_args!("field: \"{name}\""))
    }
}

fn check(schema: &Schema, value: ValueRef<'_>, place: &dyn Display) -> Result<()> {
    let kind = schema.kind.java_name();
    if value.is_null() {
        if schema.optional {
            return Ok(());
        }
        return Err(Error::bad_record(format!(
            "Invalid value: null used for required {place}, schema type: {kind}"
        )));
    }
    if !fits(schema, value) {
        let name = schema.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        let class = value.java_class();
        return Err(Error::bad_record(format!(
            "Invalid Java object for schema{name} with type {kind}: class {class} for {place}"
        )));
    }
    match (&schema.kind, value) {
        (Type::Array(Some(item)), ValueRef::Array(items)) => {
            items.iter().try_for_each(|value| check(item, value, &format_args!("element of array {place}")))
        }
        (Type::Map(keys, values), ValueRef::Map(entries)) => entries.iter().try_for_each(|(key, value)| {
            if let Some(keys) = keys {
                check(keys, key, &format_args!("key of map {place}"))?;
            }
            match values {
                Some(values) => check(values, value, &format_args!("value of map {place}")),
                None => Ok(()),
            }
        }),
        (Type::Struct(_), ValueRef::Struct(fields)) => {
            if **fields.schema() != *schema {
                return Err(Error::bad_record("Struct schemas do not match."));
            }
            fields
                .fields()
                .filter(|(field, value)| !(value.is_null() && field.schema.default.is_some()))
                .try_for_each(|(field, value)| field.schema.validate_field(&field.name, value))
        }
        _ => Ok(()),
    }
}

/// Whether the value's own type is that of the schema.
fn fits(schema: &Schema, value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Date(_) => {
            matches!(schema.logical(), Some(Logical::Date | Logical::Time | Logical::Timestamp))
        }
        ValueRef::Decimal(_) => schema.logical() == Some(Logical::Decimal),
        _ => matches!(
            (&schema.kind, value),
            (_, ValueRef::Null)
                | (Type::Boolean, ValueRef::Boolean(_))
                | (Type::Int8, ValueRef::Int8(_))
                | (Type::Int16, ValueRef::Int16(_))
                | (Type::Int32, ValueRef::Int32(_))
                | (Type::Int64, ValueRef::Int64(_))
                | (Type::Float32, ValueRef::Float32(_))
                | (Type::Float64, ValueRef::Float64(_))
                | (Type::String, ValueRef::String(_))
                | (Type::Bytes, ValueRef::Bytes(_))
                | (Type::Array(_), ValueRef::Array(_))
                | (Type::Map(..), ValueRef::Map(_))
                | (Type::Struct(_), ValueRef::Struct(_))
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::Field;
    use crate::value::Value;

    fn message(schema: &Schema, value: &Value) -> String {
        schema.validate(value.as_value_ref()).unwrap_err().to_string()
    }

    #[test]
    fn says_in_the_words_of_java_what_does_not_fit() {
        assert_eq!(
            message(&Schema::new(Type::Int8), &Value::Null),
            "Invalid value: null used for required value, schema type: INT8"
        );
        assert_eq!(
            message(&Schema::new(Type::Int8).named("n"), &Value::Int64(1)),
            "Invalid Java object for schema \"n\" with type INT8: class java.lang.Long for value"
        );
        let texts = Schema::new(Type::Array(Some(Arc::new(Schema::new(Type::String)))));
        assert_eq!(
            message(&texts, &Value::Array(vec![Value::Null])),
            "Invalid value: null used for required element of array value, schema type: STRING"
        );
        let field = Field { name: "f".into(), schema: Arc::new(Schema::new(Type::String)) };
        let of = Arc::new(Schema::new(Type::Struct(vec![field])));
        assert_eq!(
            message(&of, &Value::Struct(Arc::clone(&of), vec![Value::Null])),
            "Invalid value: null used for required field: \"f\", schema type: STRING"
        );
        let other = Schema::clone(&of).optional();
        assert_eq!(
            message(&other, &Value::Struct(of, vec![Value::String(String::new())])),
            "Struct schemas do not match."
        );
    }

    #[test]
    fn takes_logical_values_as_columns_hold_them_and_as_java_does() {
        assert!(Schema::date().validate(ValueRef::Int32(1)).is_ok());
        assert!(Schema::date().validate(ValueRef::Date(0)).is_ok());
        assert!(Schema::new(Type::Int32).validate(ValueRef::Date(0)).is_err());
    }
}
