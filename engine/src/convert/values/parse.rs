//! Text as a value and the schema that fits it best (`Values#parseString`).

use std::sync::Arc;

use api::java_text::digit;
use api::{Schema, SchemaRef, Type, Value};

use super::merge::{Common, converted};
use super::tokens::{Tokens, trim};
use super::{number, temporal};

/// Lists and maps may nest this deep; what nests deeper is text. Java has no limit but its stack.
const DEPTH_MAX: usize = 200;

/// A value and its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The schema; inner schemas are missing where the items have none in common.
    pub schema: Option<SchemaRef>,
    /// The value. Dates and decimals are what Java carries them in, whatever the schema.
    pub value: Value,
}

impl Parsed {
    pub(super) fn new(kind: Type, value: Value) -> Parsed {
        Parsed { schema: Some(Arc::new(Schema::new(kind))), value }
    }

    fn text(text: &str) -> Parsed {
        Parsed::new(Type::String, Value::String(text.to_owned()))
    }
}

/// An embedded text that is no value: the whole text is a string then.
struct NotEmbeddable;

type Embedded = Result<Option<Parsed>, NotEmbeddable>;

/// Reads a text; `None` is null. There is no text that cannot be read.
pub fn parse(text: &str) -> Option<Parsed> {
    if text.is_empty() {
        return Some(Parsed::text(text));
    }
    let mut tokens = Tokens::of(text);
    parse_next(&mut tokens, None).unwrap_or_else(|NotEmbeddable| Some(Parsed::text(text)))
}

/// Reads one value; `depth` is that of an embedded one.
fn parse_next(tokens: &mut Tokens<'_>, depth: Option<usize>) -> Embedded {
    if !tokens.has_next() {
        return Ok(None);
    }
    let is_embedded = depth.is_some();
    if is_embedded && tokens.take_if("\"") {
        return Ok(Some(quoted(tokens)));
    }
    for (literal, parsed) in
        [("null", None), ("true", Some(Value::Boolean(true))), ("false", Some(Value::Boolean(false)))]
    {
        if take_literal(tokens, literal, is_embedded) {
            return Ok(parsed.map(|value| Parsed::new(Type::Boolean, value)));
        }
    }
    let start = tokens.mark();
    let depth = depth.map_or(0, |depth| depth + 1);
    let collection = if tokens.take_if("[") {
        Some(array(tokens, depth))
    } else if tokens.take_if("{") {
        Some(map(tokens, depth))
    } else {
        None
    };
    match collection {
        Some(Ok(parsed)) => return Ok(Some(parsed)),
        Some(Err(NotEmbeddable)) => tokens.rewind(start),
        None => {}
    }
    let token = tokens.take();
    if token.chars().all(is_java_blank) {
        return Ok(Some(Parsed::text(token)));
    }
    scalar(tokens, trim(token), is_embedded)
}

/// `String#isBlank`: Java's white space, which has no no-break spaces.
fn is_java_blank(character: char) -> bool {
    match character {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}' => false,
        '\u{1c}'..='\u{1f}' => true,
        other => other.is_whitespace(),
    }
}

fn scalar(tokens: &mut Tokens<'_>, token: &str, is_embedded: bool) -> Embedded {
    let first = token.chars().next();
    let is_digit = first.and_then(digit).is_some();
    if is_digit {
        // Colons are tokens of their own, so a time of day is five tokens.
        let start = tokens.mark();
        if let Some(remainder) = tokens.take_many(4)
            && let Some(parsed) = temporal::parse(&format!("{token}{remainder}"))
        {
            return Ok(Some(parsed));
        }
        tokens.rewind(start);
        if let Some(parsed) = temporal::parse(token) {
            return Ok(Some(parsed));
        }
    }
    if (is_digit || matches!(first, Some('+' | '-')))
        && let Some(parsed) = number::parse(token)
    {
        return Ok(Some(parsed));
    }
    if is_embedded { Err(NotEmbeddable) } else { Ok(Some(Parsed::text(tokens.text()))) }
}

/// At the top level a literal has to be all there is.
fn take_literal(tokens: &mut Tokens<'_>, literal: &str, is_embedded: bool) -> bool {
    let start = tokens.mark();
    if tokens.take_if(literal) && (is_embedded || !tokens.has_next()) {
        return true;
    }
    tokens.rewind(start);
    false
}

/// Everything up to the next quote, escapes as they are. Blanks right before that quote are lost, as in Java.
fn quoted(tokens: &mut Tokens<'_>) -> Parsed {
    let mut content = String::new();
    while tokens.has_next() && !tokens.take_if("\"") {
        content.push_str(tokens.take());
    }
    temporal::parse(&content).unwrap_or_else(|| Parsed::text(&content))
}

fn array(tokens: &mut Tokens<'_>, depth: usize) -> Result<Parsed, NotEmbeddable> {
    if depth > DEPTH_MAX {
        return Err(NotEmbeddable);
    }
    let mut items = Vec::new();
    let mut common = Common::default();
    while tokens.has_next() {
        if tokens.take_if("]") {
            let schema = common.schema();
            if let Some(schema) = &schema {
                items = items
                    .into_iter()
                    .map(|item| converted(schema, item))
                    .collect::<Option<_>>()
                    .ok_or(NotEmbeddable)?;
            }
            return Ok(Parsed::new(Type::Array(schema), Value::Array(items)));
        }
        if tokens.take_if(",") {
            return Err(NotEmbeddable);
        }
        let item = parse_next(tokens, Some(depth))?;
        common.merge(item.as_ref());
        items.push(item.map_or(Value::Null, |item| item.value));
        let mark = tokens.mark();
        if tokens.take_if("]") {
            tokens.rewind(mark);
        } else if !tokens.take_if(",") {
            return Err(NotEmbeddable);
        }
    }
    Err(NotEmbeddable)
}

fn map(tokens: &mut Tokens<'_>, depth: usize) -> Result<Parsed, NotEmbeddable> {
    if depth > DEPTH_MAX {
        return Err(NotEmbeddable);
    }
    let mut entries: Vec<(Value, Value)> = Vec::new();
    let (mut common_key, mut common_value) = (Common::default(), Common::default());
    while tokens.has_next() {
        if tokens.take_if("}") {
            return finish_map(entries, common_key.schema(), common_value.schema());
        }
        if tokens.take_if(",") {
            return Err(NotEmbeddable);
        }
        let Some(key) = parse_next(tokens, Some(depth))? else { return Err(NotEmbeddable) };
        if !tokens.take_if(":") {
            return Err(NotEmbeddable);
        }
        let value = parse_next(tokens, Some(depth))?;
        // Commas may be left out.
        tokens.take_if(",");
        common_key.merge(Some(&key));
        common_value.merge(value.as_ref());
        entries.push((key.value, value.map_or(Value::Null, |value| value.value)));
    }
    Err(NotEmbeddable)
}

fn finish_map(
    entries: Vec<(Value, Value)>,
    keys: Option<SchemaRef>,
    values: Option<SchemaRef>,
) -> Result<Parsed, NotEmbeddable> {
    let mut entries = without_duplicates(entries);
    // Values alone have no schema: where the keys have none, neither have they.
    let values = if keys.is_some() { values } else { None };
    if let Some(keys) = &keys {
        let convert = |(key, value)| {
            let value = match &values {
                Some(values) => converted(values, value)?,
                None => value,
            };
            Some((converted(keys, key)?, value))
        };
        let converted = entries.into_iter().map(convert).collect::<Option<_>>();
        entries = without_duplicates(converted.ok_or(NotEmbeddable)?);
    }
    Ok(Parsed::new(Type::Map(keys, values), Value::Map(entries)))
}

/// A key that comes again replaces the value in its first place.
fn without_duplicates(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut places = std::collections::HashMap::with_capacity(entries.len());
    let mut out: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        // Keys are told apart by type and text.
        let mut text = key.type_name().as_bytes().to_vec();
        api::java_text::write(&mut text, key.as_value_ref());
        match places.entry(text) {
            std::collections::hash_map::Entry::Occupied(place) => {
                let place: usize = *place.get();
                out[place].1 = value;
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(out.len());
                out.push((key, value));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nests_too_deep_is_text() {
        for text in ["[".repeat(100_000), "{1:".repeat(50_000), "[".repeat(300) + &"]".repeat(300)] {
            assert_eq!(parse(&text), Some(Parsed::text(&text)));
        }
        let text = "[".repeat(100) + &"]".repeat(100);
        assert!(matches!(parse(&text).unwrap().value, Value::Array(_)));
    }

    proptest! {
        #[test]
        fn every_text_can_be_read(text in any::<String>()) {
            parse(&text);
        }

        #[test]
        fn what_was_read_prints_as_text(text in "[\\[\\]{}:,\"0-9a-z. \\\\-]{0,24}") {
            let Some(parsed) = parse(&text) else { return Ok(()) };
            let mut out = Vec::new();
            super::super::print(&mut out, parsed.schema.as_ref(), parsed.value.as_value_ref());
            prop_assert!(std::str::from_utf8(&out).is_ok_and(|text| !text.is_empty() || parsed.value == Value::String(String::new())));
        }
    }
}
