//! Schemas that transforms make of others, once for each.

use std::collections::HashSet;
use std::sync::Arc;

use api::{Error, Field, Result, Schema, SchemaRef, Type};

/// Schemas that something is remembered for, as many as Java remembers.
const SCHEMAS_MAX: usize = 16;

/// What was worked out for the schemas seen lately.
#[derive(Debug)]
pub(in crate::transform) struct SchemaCache<T> {
    /// The one used last comes first.
    entries: Vec<(SchemaRef, T)>,
}

impl<T> Default for SchemaCache<T> {
    fn default() -> SchemaCache<T> {
        SchemaCache { entries: Vec::new() }
    }
}

impl<T> SchemaCache<T> {
    /// What `make` makes of a schema, or made of it before.
    ///
    /// # Errors
    /// Those of `make`, which are not remembered.
    pub(in crate::transform) fn get(
        &mut self,
        schema: &SchemaRef,
        make: impl FnOnce(&SchemaRef) -> Result<T>,
    ) -> Result<&T> {
        let place = |is: &dyn Fn(&SchemaRef) -> bool| self.entries.iter().position(|(known, _)| is(known));
        let found = place(&|known| Arc::ptr_eq(known, schema)).or_else(|| place(&|known| known == schema));
        match found {
            Some(place) => self.entries[..=place].rotate_right(1),
            None => {
                let made = make(schema)?;
                self.entries.truncate(SCHEMAS_MAX - 1);
                self.entries.insert(0, (Arc::clone(schema), made));
            }
        }
        Ok(&self.entries[0].1)
    }
}

/// A required schema of `kind` with the name, version, documentation and parameters of another (`SchemaUtil#copySchemaBasics`).
pub(in crate::transform) fn with_basics_of(schema: &Schema, kind: Type) -> Schema {
    Schema { kind, optional: false, default: None, ..schema.clone() }
}

/// The fields of a struct schema under construction (`SchemaBuilder#field`).
#[derive(Debug, Default)]
pub(in crate::transform) struct FieldsBuilder {
    fields: Vec<Field>,
    names: HashSet<Arc<str>>,
}

impl FieldsBuilder {
    /// Adds a field.
    ///
    /// # Errors
    /// When its name is empty or there already, in Java's words.
    pub(in crate::transform) fn push(&mut self, name: Arc<str>, schema: SchemaRef) -> Result<()> {
        if name.is_empty() {
            return Err(schema_builder_error("fieldName cannot be null."));
        }
        if !self.names.insert(Arc::clone(&name)) {
            return Err(schema_builder_error(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        }
        self.fields.push(Field { name, schema });
        Ok(())
    }

    /// The type.
    pub(in crate::transform) fn finish(self) -> Type {
        Type::Struct(self.fields)
    }
}

/// What `SchemaBuilder` refuses.
pub(in crate::transform) fn schema_builder_error(message: impl Into<String>) -> Error {
    Error::bad_record(message).with_java_class("org.apache.kafka.connect.errors.SchemaBuilderException")
}
