//! Makes the columns of a batch. Records depend on nothing but their number, so that whoever reads them can check them.

use std::sync::Arc;

use api::views::StringViews;
use api::{Column, Data, Field, Result, Schema, SchemaRef, Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, StructArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field as ArrowField, Fields};

/// Digits of the number at the start of a text record, so that text sorts as numbers do.
const NUMBER_DIGITS: usize = 20;

/// Records `first..first + count` as text of `record_bytes` each: the number, a blank, filler.
pub(crate) fn text(first: u64, count: usize, record_bytes: usize) -> Result<Column> {
    let filler: Vec<u8> = (0..record_bytes).map(|at| b'a' + (at * 7 % 26) as u8).collect();
    let mut bytes = Vec::with_capacity(count * record_bytes);
    for number in first..first + count as u64 {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        bytes.resize(bytes.len() + NUMBER_DIGITS - digits.len(), b'0');
        bytes.extend_from_slice(digits);
        bytes.push(b' ');
        bytes.extend_from_slice(&filler[..record_bytes - NUMBER_DIGITS - 1]);
    }
    let mut views = StringViews::with_capacity(count);
    views.add_buffer(Buffer::from_vec(bytes))?;
    for row in 0..count {
        views.push(row * record_bytes, record_bytes);
    }
    Ok(Column::strings(views.finish()))
}

/// The schema of struct records.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, kind| Field { name: Arc::from(name), schema: Arc::new(Schema::new(kind)) };
    Arc::new(
        Schema::new(Type::Struct(vec![
            field("id", Type::Int64),
            field("user", Type::String),
            field("amount", Type::Float64),
            field("ok", Type::Boolean),
        ]))
        .named("io.aqueduct.datagen.Order"),
    )
}

/// Records `first..first + count` as structs of [`schema`].
pub(crate) fn structs(first: u64, count: usize, schema: &SchemaRef) -> Column {
    let numbers = || first..first + count as u64;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(numbers().map(|number| number as i64))),
        Arc::new(StringViewArray::from_iter_values(
            numbers().map(|number| format!("user-{}", number % 1_000)),
        )),
        Arc::new(Float64Array::from_iter_values(numbers().map(|number| (number % 100_000) as f64 / 100.0))),
        Arc::new(numbers().map(|number| Some(number % 10 != 0)).collect::<BooleanArray>()),
    ];
    let fields: Fields = vec![
        ArrowField::new("id", DataType::Int64, false),
        ArrowField::new("user", DataType::Utf8View, false),
        ArrowField::new("amount", DataType::Float64, false),
        ArrowField::new("ok", DataType::Boolean, false),
    ]
    .into();
    Column {
        schema: Some(Arc::clone(schema)),
        data: Data::Array(Arc::new(StructArray::new(fields, columns, None))),
    }
}

#[cfg(test)]
mod tests {
    use api::ValueRef;

    use super::*;

    #[test]
    fn text_records_carry_their_number_and_have_the_length_asked_for() {
        let column = text(9, 2, 30).unwrap();
        let rows: Vec<String> = (0..2)
            .map(|row| match column.row(row) {
                ValueRef::String(text) => text.to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(rows, ["00000000000000000009 ahovcjqxe", "00000000000000000010 ahovcjqxe"]);
    }

    #[test]
    fn structs_fit_their_schema() {
        let column = structs(10, 3, &schema());
        let mut out = Vec::new();
        api::java_text::write(&mut out, column.row(0));
        assert_eq!(String::from_utf8(out).unwrap(), "Struct{id=10,user=user-10,amount=0.1,ok=false}");
        assert_eq!(column.len(), 3);
    }
}
