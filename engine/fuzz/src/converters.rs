//! Every converter and header converter, chosen by the first byte: any bytes give a value or an error for each row, and what a plain
//! converter read it writes as it was.

use api::plugin::ConverterRole;
use api::{Column, HeaderValueRef, HeaderValues, Props, ValueRef};
use arrow_array::{Array as _, BinaryViewArray};
use engine::convert::{CONVERTERS, HEADER_CONVERTERS};

use super::records;

const ENCODINGS: [&str; 5] = ["UTF-8", "UTF-16", "UTF-16LE", "US-ASCII", "UTF-32"];

pub fn converters(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let records = records(data);
    let raw = BinaryViewArray::from_iter(&records);
    let (which, variant) = (usize::from(choice) % (CONVERTERS.len() + HEADER_CONVERTERS.len()), choice / 32);
    match CONVERTERS.get(which) {
        Some(plugin) => {
            let mut props = Props::new();
            if plugin.class.ends_with("StringConverter") {
                let encoding = ENCODINGS[usize::from(variant) % ENCODINGS.len()];
                props.insert("converter.encoding".to_owned(), encoding.to_owned());
            }
            if plugin.class.ends_with("JsonConverter") {
                props.insert("schemas.enable".to_owned(), (variant % 2 == 0).to_string());
                props.insert("replace.null.with.default".to_owned(), (variant % 4 < 2).to_string());
                let format = if variant < 4 { "BASE64" } else { "NUMERIC" };
                props.insert("decimal.format".to_owned(), format.to_owned());
            }
            let mut converter =
                (plugin.create)(&props, ConverterRole::Value).expect("these settings are right");
            let decoded = converter.to_connect("t", &raw).expect("rows fail, not batches");
            let lengths: usize = decoded.segments.iter().map(|segment| segment.column.len()).sum();
            assert_eq!(lengths, records.len(), "every row has its place");
            let is_exact =
                !plugin.class.ends_with("JsonConverter") && !plugin.class.ends_with("StringConverter");
            let mut first = 0;
            for segment in &decoded.segments {
                let written = converter.from_connect("t", &segment.column).expect("rows fail, not batches");
                assert_eq!(written.bytes.len(), segment.column.len());
                for row in 0..segment.column.len() {
                    let has_failed = decoded.errors.iter().any(|error| error.row == first + row);
                    if is_exact && !has_failed {
                        let bytes = written.bytes.is_valid(row).then(|| written.bytes.value(row));
                        // A NaN has many forms, of which Java writes one.
                        assert!(bytes == records[first + row] || is_nan(&segment.column, row));
                    }
                }
                first += segment.column.len();
            }
        }
        None => {
            let plugin = &HEADER_CONVERTERS[which - CONVERTERS.len()];
            let mut converter = (plugin.create)(&Props::new()).expect("these settings are right");
            let keys = BinaryViewArray::from_iter_values(records.iter().map(|_| "h"));
            let decoded = converter.to_connect_headers("t", &keys, &raw).expect("headers fail, not batches");
            let values = HeaderValues::Connect(decoded.values);
            assert_eq!(values.len(), records.len(), "every header has its place");
            let bounds = (0..=records.len() as u32).collect();
            let columns = api::HeaderColumns::new(bounds, keys.clone(), values);
            let headers = api::Headers::of_parts(vec![api::HeaderPart::Each(columns)]);
            for row in 0..records.len() {
                for header in headers.iter(row) {
                    let HeaderValueRef::Connect(schema, value) = header.value else {
                        panic!("it was decoded")
                    };
                    let _checked = schema.map(|schema| schema.validate(value));
                }
            }
        }
    }
}

fn is_nan(column: &Column, row: usize) -> bool {
    match column.row(row) {
        ValueRef::Float32(value) => value.is_nan(),
        ValueRef::Float64(value) => value.is_nan(),
        _ => false,
    }
}
