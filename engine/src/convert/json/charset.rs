//! Records that are not plain UTF-8: byte order marks, UTF-16, UTF-32 and the malformed UTF-8 that Jackson lets pass.

/// Whether the bytes begin as UTF-8 without a mark does (Jackson: `ByteSourceJsonBootstrapper#detectEncoding`).
pub(super) fn is_plain(input: &[u8]) -> bool {
    !matches!(input, [0xEF, 0xBB, 0xBF, ..] | [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..])
}

/// Makes UTF-8 of the input. What Jackson refuses becomes a control character, which the parser refuses in its turn.
pub(super) fn transcode(input: &[u8], out: &mut String) {
    match input {
        [0, 0, 0xFE, 0xFF, rest @ ..] => utf32(rest, u32::from_be_bytes, out),
        [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes, out),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest, out),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes, out),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes, out),
        [0, 0, 0, _, ..] => utf32(input, u32::from_be_bytes, out),
        [_, 0, 0, 0, ..] => utf32(input, u32::from_le_bytes, out),
        [0, _, ..] => utf16(input, u16::from_be_bytes, out),
        [_, 0, ..] => utf16(input, u16::from_le_bytes, out),
        _ => utf8(input, out),
    }
}

/// Stands for what may not be read: no JSON text holds it unescaped.
const REFUSED: char = '\u{1}';

fn utf32(input: &[u8], unit: fn([u8; 4]) -> u32, out: &mut String) {
    let (units, rest) = input.as_chunks::<4>();
    out.extend(units.iter().map(|bytes| char::from_u32(unit(*bytes)).unwrap_or(REFUSED)));
    if !rest.is_empty() {
        out.push(REFUSED);
    }
}

fn utf16(input: &[u8], unit: fn([u8; 2]) -> u16, out: &mut String) {
    let (units, rest) = input.as_chunks::<2>();
    out.extend(char::decode_utf16(units.iter().map(|bytes| unit(*bytes))).map(|c| c.unwrap_or('?')));
    if !rest.is_empty() {
        out.push(REFUSED);
    }
}

/// Jackson checks continuation bytes and surrogates but not the shortest form, nor the upper bound of four-byte forms.
fn utf8(input: &[u8], out: &mut String) {
    let mut rest = input;
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                return;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                out.push_str(std::str::from_utf8(good).unwrap_or_default());
                rest = malformed(bad, out);
            }
        }
    }
}

fn malformed<'a>(bad: &'a [u8], out: &mut String) -> &'a [u8] {
    let tail = |byte: &u8| byte & 0xC0 == 0x80;
    let bits = |byte: &u8| u32::from(byte & 0x3F);
    match bad {
        [first @ 0xC0..=0xDF, a, rest @ ..] if tail(a) => {
            push_overlong(u32::from(first & 0x1F) << 6 | bits(a), out);
            rest
        }
        [first @ 0xE0..=0xEF, a, b, rest @ ..] if tail(a) && tail(b) => {
            push_overlong(u32::from(first & 0xF) << 12 | bits(a) << 6 | bits(b), out);
            rest
        }
        [first @ 0xF0..=0xF7, a, b, c, rest @ ..] if tail(a) && tail(b) && tail(c) => {
            let code = u32::from(first & 7) << 18 | bits(a) << 12 | bits(b) << 6 | bits(c);
            // Beyond Unicode: two surrogates that do not pair, which print as question marks.
            if code > 0x10FFFF {
                out.push_str("??")
            } else {
                push_overlong(code, out)
            }
            rest
        }
        [_, rest @ ..] => {
            out.push(REFUSED);
            rest
        }
        [] => bad,
    }
}

/// A character in a longer form than it needs is never punctuation: it goes in as an escape where it would be read as one.
fn push_overlong(code: u32, out: &mut String) {
    match char::from_u32(code) {
        Some(mark @ ('"' | '\\')) => {
            out.push('\\');
            out.push(mark);
        }
        Some(character) if code >= 0x20 => out.push(character),
        _ => out.push(REFUSED),
    }
}
