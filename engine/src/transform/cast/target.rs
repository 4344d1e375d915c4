//! What is to be cast to what: the `spec` of Cast.

use api::{Error, Result, Type, java_map};

/// What Cast makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

/// All types by their Java names; the first are those that Cast makes, and the first but one more those that it takes.
const TYPES: [(&str, Option<Target>); 12] = [
    ("INT8", Some(Target::Int8)),
    ("INT16", Some(Target::Int16)),
    ("INT32", Some(Target::Int32)),
    ("INT64", Some(Target::Int64)),
    ("FLOAT32", Some(Target::Float32)),
    ("FLOAT64", Some(Target::Float64)),
    ("BOOLEAN", Some(Target::Boolean)),
    ("STRING", Some(Target::String)),
    ("BYTES", None),
    ("ARRAY", None),
    ("MAP", None),
    ("STRUCT", None),
];

impl Target {
    /// As a type of schemas.
    pub(super) fn kind(self) -> Type {
        match self {
            Target::Int8 => Type::Int8,
            Target::Int16 => Type::Int16,
            Target::Int32 => Type::Int32,
            Target::Int64 => Type::Int64,
            Target::Float32 => Type::Float32,
            Target::Float64 => Type::Float64,
            Target::Boolean => Type::Boolean,
            Target::String => Type::String,
        }
    }

    /// A type by its name in any case.
    fn read(name: &str) -> Result<Target, String> {
        let name = trim(name);
        let upper = name.to_uppercase();
        let Some((name, target)) = TYPES.iter().find(|(known, _)| *known == upper) else {
            return Err(format!(
                "Invalid value java.lang.IllegalArgumentException: No enum constant \
                 org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting spec: {name}"
            ));
        };
        target.ok_or_else(|| {
            format!(
                "Cast transformation does not support casting to {name}; supported types are \
                 [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"
            )
        })
    }
}

/// A type that Cast does not take.
pub(super) fn unsupported(kind: &str) -> Error {
    Error::bad_record(format!(
        "Cast transformation does not support casting from {kind}; supported types are \
         [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]"
    ))
}

/// What is to be cast.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spec {
    /// The key or value as a whole.
    Whole(Target),
    /// Fields, in the order of Java's map.
    Fields { names: Vec<String>, targets: Vec<Target> },
}

impl Spec {
    /// Reads the items of `spec` (`Cast#parseFieldTypes`). A failure is the whole message.
    pub(super) fn read(items: &[String]) -> Result<Spec, String> {
        if items.is_empty() {
            return Err("Must specify at least one field to cast.".to_owned());
        }
        let mut whole = None;
        let mut fields: Vec<(String, Target)> = Vec::new();
        for item in items {
            // As `String#split`, which drops empty texts at the end.
            let parts: Vec<_> = match item.trim_end_matches(':') {
                "" if !item.is_empty() => Vec::new(),
                rest => rest.split(':').collect(),
            };
            match parts[..] {
                [] => return Err("Index 1 out of bounds for length 0".to_owned()),
                [target] => whole = Some(Target::read(target)?),
                [field, target] => {
                    let (field, target) = (trim(field), Target::read(target)?);
                    match fields.iter_mut().find(|(known, _)| known == field) {
                        Some((_, known)) => *known = target,
                        None => fields.push((field.to_owned(), target)),
                    }
                }
                _ => {
                    // Java's words, though there is nothing to be renamed.
                    return Err(format!(
                        "Invalid value [{}] for configuration renames: Invalid rename mapping: {item}",
                        items.join(", ")
                    ));
                }
            }
        }
        match whole {
            Some(_) if items.len() > 1 => {
                Err("Cast transformations that specify a type to cast the entire value to may only specify \
                                               a single cast in their spec"
                    .to_owned())
            }
            Some(target) => Ok(Spec::Whole(target)),
            None => {
                java_map::sort(&mut fields, |(name, _)| java_map::string_hash(name));
                let (names, targets) = fields.into_iter().unzip();
                Ok(Spec::Fields { names, targets })
            }
        }
    }
}

/// `String#trim`.
fn trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(items: &[&str], expected: Result<Spec, &str>) {
        let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
        assert_eq!(Spec::read(&items), expected.map_err(str::to_owned));
    }

    fn fields(fields: &[(&str, Target)]) -> Spec {
        let (names, targets) = fields.iter().map(|(name, target)| ((*name).to_owned(), *target)).unzip();
        Spec::Fields { names, targets }
    }

    /// What Java 4.3.0 answered.
    #[test]
    fn reads_a_spec_as_java_does() {
        check(&["Int8"], Ok(Spec::Whole(Target::Int8)));
        check(&["b : STRING", "a:float32:"], Ok(fields(&[("a", Target::Float32), ("b", Target::String)])));
        check(&["a:int8", "a:ınt16", ":boolean"], Ok(fields(&[("", Target::Boolean), ("a", Target::Int16)])));
        check(&[], Err("Must specify at least one field to cast."));
        check(&[":"], Err("Index 1 out of bounds for length 0"));
        check(
            &["a:"],
            Err(
                "Invalid value java.lang.IllegalArgumentException: No enum constant org.apache.kafka.connect.data.Schema.Type.A \
                 for configuration Invalid type found in casting spec: a",
            ),
        );
        check(
            &["a:int8", "a:b:c"],
            Err("Invalid value [a:int8, a:b:c] for configuration renames: Invalid rename mapping: a:b:c"),
        );
        check(
            &["a:bytes"],
            Err(
                "Cast transformation does not support casting to BYTES; supported types are [INT8, INT16, INT32, INT64, FLOAT32, \
                 FLOAT64, BOOLEAN, STRING]",
            ),
        );
        check(
            &["int8", "a:int8"],
            Err(
                "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec",
            ),
        );
    }
}
