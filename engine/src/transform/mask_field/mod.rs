//! MaskField: puts a value that says nothing, or one of the operator's, in place of what fields hold.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, ListRule, validators};
use api::decimal::{self, Decimal, DecimalRef};
use api::value::Logical;
use api::{
    Column, Data, Error, Records, Result, RowError, RowsBuilder, SchemaRef, Transformed, ValueRef, java_map,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, ListArray, MapArray, PrimitiveArray,
    StructArray, new_empty_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, OffsetBuffer};
use arrow_schema::DataType;

use super::field::{FieldTransform, Form, Part, REPLACE_NULL, replace_null_key, requirements, structs};
use super::{objects, texts};

const FIELDS: &str = "fields";
const REPLACEMENT: &str = "replacement";
const PURPOSE: &str = "mask fields";

/// `org.apache.kafka.connect.transforms.MaskField`.
#[derive(Debug)]
pub(super) struct MaskField {
    /// In the order of Java's set.
    fields: Vec<String>,
    mask: Mask,
    null_is_default: bool,
}

/// What fields get in place of their values.
#[derive(Debug)]
enum Mask {
    /// The zero, the empty text, list or map of their type.
    Nothing,
    /// A text, and the number that it is, if it is one.
    Custom { text: String, number: Option<Number> },
}

/// A number for fields of all widths.
#[derive(Debug)]
struct Number {
    integer: i64,
    float: f64,
    decimal: Decimal,
}

impl FieldTransform for MaskField {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.MaskField$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.MaskField$Value";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
            .key(
                ConfigKey::new(
                    FIELDS,
                    ConfigType::List,
                    Default::Required,
                    Importance::High,
                    "Names of the fields to mask.",
                )
                .listed(ListRule::NON_EMPTY),
            )
            .key(
                ConfigKey::new(
                    REPLACEMENT,
                    ConfigType::String,
                    Default::Null,
                    Importance::Low,
                    "What all of them get instead, in place of zero or empty text; only numbers and text can get it.",
                )
                .checked(validators::non_empty),
            )
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<MaskField> {
        let mut fields = config.list(FIELDS).to_vec();
        java_map::sort(&mut fields, |name| java_map::string_hash(name));
        let mask = match config.string_or_null(REPLACEMENT) {
            None => Mask::Nothing,
            Some(text) => Mask::Custom { text: text.to_owned(), number: Number::read(text) },
        };
        Ok(MaskField { fields, mask, null_is_default: config.boolean(REPLACE_NULL) })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let (column, errors) = self.masked(part.of(&records))?;
        part.replace(records, column, errors, out);
        Ok(())
    }
}

impl Number {
    fn read(text: &str) -> Option<Number> {
        let decimal = decimal::read(text)?;
        let borrowed = decimal.as_decimal_ref();
        let (integer, float) = (borrowed.to_i64_wrapping(), borrowed.to_f64(&mut Vec::new()));
        Some(Number { integer, float, decimal })
    }
}

impl MaskField {
    fn masked(&self, column: &Column) -> Result<(Column, Vec<RowError>)> {
        match Form::of(column) {
            Form::Structs(schema, structs) => self.masked_structs(schema, structs),
            Form::Typed(_) => Ok((column.clone(), requirements::structures(column, PURPOSE))),
            Form::Objects(objects) => {
                let is_null = |row: &usize| objects.is_null(*row);
                let error = requirements::map(ValueRef::Null, PURPOSE);
                let nulls = (0..objects.len()).filter(is_null);
                let mut errors: Vec<_> = nulls.map(|row| RowError { row, error: error.clone() }).collect();
                let array = objects::put_columns(objects, &self.fields, |_, array| {
                    self.mask.array(array, None, &mut errors)
                })?;
                Ok((Column { schema: None, data: Data::Array(array) }, errors))
            }
            Form::Untyped => Ok(objects::put_rows(
                column,
                &self.fields,
                |rows, _, value| self.mask.value(rows, value),
                |value| Some(requirements::map(value, PURPOSE)),
            )),
        }
    }

    fn masked_structs(&self, schema: &SchemaRef, structs: &StructArray) -> Result<(Column, Vec<RowError>)> {
        let error = requirements::structure(ValueRef::Null, PURPOSE);
        let nulls = (0..structs.len()).filter(|row| structs.is_null(*row));
        let mut errors: Vec<_> = nulls.map(|row| RowError { row, error: error.clone() }).collect();
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let array = if self.fields.iter().any(|name| **name == *field.name) {
                let mut array = structs::child(structs, index);
                if self.null_is_default {
                    array = structs::with_default(&field.schema, &array, structs.nulls())?;
                }
                let array = self.mask.array(&array, Some(&field.schema), &mut errors)?;
                structs::check_put(field, array.as_ref(), structs.nulls(), &mut errors);
                array
            } else {
                let from = (&field.schema, index);
                structs::copied(structs, from, field, self.null_is_default, &mut errors)?
            };
            arrays.push((&field.name, array));
        }
        let data = Data::Array(structs::of(arrays, structs.len(), structs.nulls()));
        Ok((Column { schema: Some(Arc::clone(schema)), data }, errors))
    }
}

impl Mask {
    /// The integer that takes the place of others.
    fn integer(&self) -> Result<i64> {
        self.number(0, |number| number.integer)
    }

    fn float(&self) -> Result<f64> {
        self.number(0.0, |number| number.float)
    }

    fn number<T>(&self, nothing: T, custom: impl Fn(&Number) -> T) -> Result<T> {
        match self {
            Mask::Nothing => Ok(nothing),
            Mask::Custom { number: Some(number), .. } => Ok(custom(number)),
            Mask::Custom { text, number: None } => Err(Error::bad_record(format!(
                "Unable to convert {text} (class java.lang.String) to a number"
            ))),
        }
    }

    /// The decimal that takes the place of others.
    fn decimal(&self) -> Result<DecimalRef<'_>> {
        match self {
            Mask::Nothing => Ok(DecimalRef { unscaled: &[0], scale: 0 }),
            Mask::Custom { number: Some(number), .. } => Ok(number.decimal.as_decimal_ref()),
            // Java's words for decimals lack an article.
            Mask::Custom { text, number: None } => {
                Err(Error::bad_record(format!("Unable to convert {text} (class java.lang.String) to number")))
            }
        }
    }

    fn text(&self) -> &str {
        match self {
            Mask::Nothing => "",
            Mask::Custom { text, .. } => text,
        }
    }

    /// A value that there is no mask for.
    fn refused(&self, value: ValueRef<'_>) -> Error {
        let class = value.java_class();
        Error::bad_record(match self {
            Mask::Nothing => format!("Cannot mask value of type: class {class}"),
            Mask::Custom { .. } => {
                format!("Cannot mask value of type class {class} with custom replacement.")
            }
        })
    }

    /// Whether values get the operator's.
    fn is_custom(&self) -> bool {
        matches!(self, Mask::Custom { .. })
    }

    /// Appends what takes the place of a value that has no schema.
    fn value(&self, rows: &mut RowsBuilder, value: ValueRef<'_>) -> Result<()> {
        match value {
            ValueRef::Null => rows.null(),
            ValueRef::Int8(_) => rows.int8(self.integer()? as i8),
            ValueRef::Int16(_) => rows.int16(self.integer()? as i16),
            ValueRef::Int32(_) => rows.int32(self.integer()? as i32),
            ValueRef::Int64(_) => rows.int64(self.integer()?),
            ValueRef::Float32(_) => rows.float32(self.float()? as f32),
            ValueRef::Float64(_) => rows.float64(self.float()?),
            ValueRef::Decimal(_) => rows.decimal(self.decimal()?),
            ValueRef::String(_) => rows.string(self.text()),
            ValueRef::Boolean(_) if !self.is_custom() => rows.boolean(false),
            ValueRef::Date(_) if !self.is_custom() => rows.date(0),
            ValueRef::Array(_) if !self.is_custom() => {
                rows.begin_array()?;
                rows.end_array();
            }
            ValueRef::Map(_) if !self.is_custom() => {
                rows.begin_object()?;
                rows.end_object();
            }
            other => return Err(self.refused(other)),
        }
        Ok(())
    }

    /// What takes the place of an array. Nulls stay null.
    ///
    /// # Errors
    /// When the result does not fit into an array.
    fn array(
        &self,
        array: &ArrayRef,
        schema: Option<&SchemaRef>,
        errors: &mut Vec<RowError>,
    ) -> Result<ArrayRef> {
        let masked = match (array.data_type(), schema.and_then(|schema| schema.logical())) {
            (DataType::Null, _) => Ok(Arc::clone(array)),
            (DataType::Int32 | DataType::Int64, Some(Logical::Date | Logical::Time | Logical::Timestamp))
                if self.is_custom() =>
            {
                return Ok(self.refuse(array, schema, errors));
            }
            (DataType::Int8, _) => self.integer().map(|value| constant::<Int8Type>(array, value as i8)),
            (DataType::Int16, _) => self.integer().map(|value| constant::<Int16Type>(array, value as i16)),
            (DataType::Int32, _) => self.integer().map(|value| constant::<Int32Type>(array, value as i32)),
            (DataType::Int64, _) => self.integer().map(|value| constant::<Int64Type>(array, value)),
            (DataType::Float32, _) => self.float().map(|value| constant::<Float32Type>(array, value as f32)),
            (DataType::Float64, _) => self.float().map(|value| constant::<Float64Type>(array, value)),
            (DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8, _) => {
                let texts = texts::repeated(self.text(), array.len(), array.nulls())?;
                Ok(Arc::new(texts) as ArrayRef)
            }
            (DataType::BinaryView, Some(Logical::Decimal)) => {
                let scale = schema.and_then(|schema| schema.scale()).unwrap_or(0);
                self.unscaled(scale).map(|unscaled| repeated_bytes(array, &unscaled))
            }
            (DataType::Boolean, _) if !self.is_custom() => {
                let bits = BooleanBuffer::new_unset(array.len());
                Ok(Arc::new(BooleanArray::new(bits, array.nulls().cloned())) as ArrayRef)
            }
            (DataType::List(item), _) if !self.is_custom() => {
                let items = new_empty_array(item.data_type());
                let ends = OffsetBuffer::new_zeroed(array.len());
                Ok(Arc::new(ListArray::new(Arc::clone(item), ends, items, array.nulls().cloned()))
                    as ArrayRef)
            }
            (DataType::Map(entry, is_sorted), _) if !self.is_custom() => {
                let entries = new_empty_array(entry.data_type()).as_struct().clone();
                let ends = OffsetBuffer::new_zeroed(array.len());
                let nulls = array.nulls().cloned();
                Ok(Arc::new(MapArray::new(Arc::clone(entry), ends, entries, nulls, *is_sorted)) as ArrayRef)
            }
            // An object without schema: an empty one.
            (DataType::Struct(_), _) if schema.is_none() && !self.is_custom() => {
                Ok(Arc::new(StructArray::new_empty_fields(array.len(), array.nulls().cloned())) as ArrayRef)
            }
            _ => return Ok(self.refuse(array, schema, errors)),
        };
        masked.or_else(|error| {
            let rows = (0..array.len()).filter(|row| array.is_valid(*row));
            errors.extend(rows.map(|row| RowError { row, error: error.clone() }));
            Ok(Arc::clone(array))
        })
    }

    /// The unscaled value of a decimal at the scale that its schema asks for: Java puts any scale there, which nobody can write.
    fn unscaled(&self, scale: i32) -> Result<Vec<u8>> {
        let decimal = self.decimal()?;
        let mut text = Vec::new();
        decimal::write(decimal.unscaled, decimal.scale, &mut text);
        decimal::unscaled(str::from_utf8(&text).expect("only digits were written"), scale)
    }

    /// Fails every row that has a value.
    fn refuse(&self, array: &ArrayRef, schema: Option<&SchemaRef>, errors: &mut Vec<RowError>) -> ArrayRef {
        let rows = (0..array.len()).filter(|row| array.is_valid(*row));
        errors.extend(rows.map(|row| {
            let value = ValueRef::of_array(schema, array.as_ref(), row).carried(schema);
            RowError { row, error: self.refused(value) }
        }));
        Arc::clone(array)
    }
}

fn constant<T: ArrowPrimitiveType>(array: &ArrayRef, value: T::Native) -> ArrayRef {
    let values = vec![value; array.len()].into();
    Arc::new(PrimitiveArray::<T>::new(values, array.nulls().cloned()))
}

fn repeated_bytes(array: &ArrayRef, value: &[u8]) -> ArrayRef {
    let mut views = api::views::BytesViews::with_capacity(array.len());
    let added = views.add_buffer(Buffer::from(value));
    added.expect("a replacement is far shorter than 4 GiB");
    for row in 0..array.len() {
        if array.is_null(row) {
            views.push_null();
        } else {
            views.push(0, value.len());
        }
    }
    let views: BinaryViewArray = views.finish();
    Arc::new(views)
}

#[cfg(test)]
mod tests;
