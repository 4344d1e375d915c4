//! Writing schemaless values that nest deep: with a stack of its own in place of the thread's.

use api::value::{Entries, Items};
use api::{Error, ValueRef};

use super::write::{Style, write_value};

/// What is still to be written of a container.
enum Rest<'a> {
    Items(Items<'a>),
    /// Of an object.
    Entries(Entries<'a>),
    /// Of a map with other keys than text: a list of pairs.
    Pairs(Entries<'a>),
    /// Just the end of a pair.
    End,
}

/// Appends a value as `write_value` does.
pub(super) fn write(out: &mut Vec<u8>, value: ValueRef<'_>, style: Style) -> Result<(), Error> {
    let mut stack = Vec::new();
    begin(out, value, style, &mut stack)?;
    while let Some(rest) = stack.last_mut() {
        let (next, end) = match rest {
            Rest::Items(items) => (items.next().map(|item| (None, item)), b']'),
            Rest::Entries(entries) => (entries.next().map(|(key, value)| (Some(key), value)), b'}'),
            Rest::Pairs(entries) => (entries.next().map(|(key, value)| (Some(key), value)), b']'),
            Rest::End => (None, b']'),
        };
        let is_pair = matches!(rest, Rest::Pairs(_));
        let Some((key, value)) = next else {
            out.push(end);
            stack.pop();
            continue;
        };
        if !matches!(out.last(), Some(b'[' | b'{')) {
            out.push(b',');
        }
        if let Some(key) = key {
            if is_pair {
                out.push(b'[');
                stack.push(Rest::End);
            }
            write_value(out, None, key, style)?;
            out.push(if is_pair { b',' } else { b':' });
        }
        begin(out, value, style, &mut stack)?;
    }
    Ok(())
}

/// Writes a scalar, or the beginning of a container.
fn begin<'a>(
    out: &mut Vec<u8>,
    value: ValueRef<'a>,
    style: Style,
    stack: &mut Vec<Rest<'a>>,
) -> Result<(), Error> {
    match value {
        ValueRef::Array(items) => {
            out.push(b'[');
            stack.push(Rest::Items(items.iter()));
        }
        ValueRef::Map(entries) if entries.has_text_keys() => {
            out.push(b'{');
            stack.push(Rest::Entries(entries.iter()));
        }
        ValueRef::Map(entries) => {
            out.push(b'[');
            stack.push(Rest::Pairs(entries.iter()));
        }
        scalar => write_value(out, None, scalar, style)?,
    }
    Ok(())
}
