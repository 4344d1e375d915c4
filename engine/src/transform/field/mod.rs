//! What transforms share that exist once for record keys and once for record values (Java: `<Name>$Key` and `<Name>$Value`).
//!
//! ```text
//! FieldTransform ── OnKey<T>, OnValue<T> ──▶ one registry line each
//!    apply(part, records, out)
//!      part.of(records)   the column
//!      Form::of(column)   structs │ objects of one shape │ other values with a schema │ anything without one
//!      pass_nulls         null rows go on as they are, where Java's transform returns the record
//!      part.replace       the new column; rows that failed are left out
//! ```
//!
//! Structs and objects of one shape are changed as a whole: fields are dropped, renamed, added by moving arrays about. Only what lies
//! on a tape is walked row by row.

mod form;
pub(super) mod path;
pub(super) mod requirements;
pub(super) mod schemas;
pub(super) mod structs;

use std::fmt::Debug;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::{Column, Data, Kind, Plugin, Records, Result, RowError, Touches, Transform, Transformed};
use arrow_array::Array as _;

pub(super) use form::Form;

/// The key that says whether the default of a field stands in for null (KIP-1040).
pub(super) const REPLACE_NULL: &str = "replace.null.with.default";

/// The part of records that a transform is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Their keys.
    Key,
    /// Their values.
    Value,
}

/// A transform of either keys or values.
pub(super) trait FieldTransform: Debug + Sized + 'static {
    /// Java class for keys.
    const KEY_CLASS: &'static str;
    /// Java class for values.
    const VALUE_CLASS: &'static str;

    /// Its settings.
    fn config_def() -> ConfigDef;

    /// An instance for one task.
    ///
    /// # Errors
    /// When the settings don't fit together.
    fn create(config: Config) -> Result<Self>;

    /// What it needs decoded.
    fn touches(part: Part) -> Touches {
        part.touches()
    }

    /// As [`Transform::apply`], on one part.
    ///
    /// # Errors
    /// Those of all rows alike, and where it cannot work at all.
    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()>;
}

/// The transform for keys.
#[derive(Debug)]
pub(super) struct OnKey<T>(T);

/// The transform for values.
#[derive(Debug)]
pub(super) struct OnValue<T>(T);

macro_rules! plugin_on_part {
    ($($on:ident $class:ident $part:expr;)*) => {$(
        impl<T: FieldTransform> Plugin for $on<T> {
            const CLASS: &'static str = T::$class;
            const VERSION: &'static str = super::VERSION;

            fn config_def() -> ConfigDef {
                T::config_def()
            }

            fn create(config: Config) -> Result<Self> {
                Ok($on(T::create(config)?))
            }
        }

        impl<T: FieldTransform> Transform for $on<T> {
            fn touches(&self) -> Touches {
                T::touches($part)
            }

            fn apply(&mut self, records: Records, out: &mut Transformed) -> Result<()> {
                self.0.apply($part, records, out)
            }
        }
    )*};
}

plugin_on_part! {
    OnKey KEY_CLASS Part::Key;
    OnValue VALUE_CLASS Part::Value;
}

impl Part {
    /// The part alone.
    pub(super) fn touches(self) -> Touches {
        match self {
            Part::Key => Touches::KEY,
            Part::Value => Touches::VALUE,
        }
    }

    /// Its column.
    pub(super) fn of(self, records: &Records) -> &Column {
        match self {
            Part::Key => &records.columns.key,
            Part::Value => &records.columns.value,
        }
    }

    /// Hands on the records with another column in its place, but for the rows that failed. Errors may come in any order; the first one
    /// of a row counts.
    pub(super) fn replace(
        self,
        mut records: Records,
        column: Column,
        mut errors: Vec<RowError>,
        out: &mut Transformed,
    ) {
        match self {
            Part::Key => records.columns.key = column,
            Part::Value => records.columns.value = column,
        }
        errors.sort_by_key(|error| error.row);
        out.push_with_errors(records, errors);
    }
}

/// Gives records to `change` unless their part is null: Java's transforms that return a record without a value as it is. Those go on
/// in runs of their own, since their schema stays what it was. Where there is no schema nothing is cut: `change` gets null rows too,
/// and has to leave them null.
///
/// # Errors
/// Those of `change`, where they are about all rows.
pub(super) fn pass_nulls(
    part: Part,
    records: Records,
    out: &mut Transformed,
    mut change: impl FnMut(Records, &mut Transformed) -> Result<()>,
) -> Result<()> {
    let column = part.of(&records);
    let nulls = match (&column.data, &column.schema) {
        (Data::Null(_), _) => {
            out.push(records);
            return Ok(());
        }
        (_, None) => None,
        (Data::Rows(rows), Some(_)) => Some((0..rows.len()).map(|row| !rows.row(row).is_null()).collect()),
        (Data::Array(array), Some(_)) => array.logical_nulls(),
        (Data::Raw(bytes), Some(_)) => bytes.logical_nulls(),
    };
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return change(records, out) };
    each_stretch(
        records,
        out,
        |row| nulls.is_valid(row),
        |records, has_value, out| {
            if has_value {
                return change(records, out);
            }
            out.push(records);
            Ok(())
        },
    )
}

/// Cuts records into stretches of rows of which `is` says the same. A stretch that `each` has an error for fails alone.
///
/// # Errors
/// Those of `each` that are not about records.
pub(super) fn each_stretch(
    records: Records,
    out: &mut Transformed,
    is: impl Fn(usize) -> bool,
    mut each: impl FnMut(Records, bool, &mut Transformed) -> Result<()>,
) -> Result<()> {
    let rows = records.len();
    let mut start = 0;
    while start < rows {
        let kind = is(start);
        let end = (start + 1..rows).find(|row| is(*row) != kind).unwrap_or(rows);
        let stretch = records.slice(start, end - start);
        match each(stretch.clone(), kind, out) {
            Err(error) if matches!(error.kind(), Kind::BadRecord | Kind::Retriable) => {
                let errors = (0..stretch.len()).map(|row| RowError { row, error: error.clone() });
                out.push_with_errors(stretch, errors.collect());
            }
            done => done?,
        }
        start = end;
    }
    Ok(())
}

/// [`REPLACE_NULL`] as a key of a table.
pub(super) fn replace_null_key() -> ConfigKey {
    ConfigKey::new(
        REPLACE_NULL,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Medium,
        "Whether a null field of a record with schema counts as the default that the schema has for it.",
    )
}
