//! Records that are not plain UTF-8: byte order marks, UTF-16, UTF-32 and the malformed UTF-8 that Jackson lets pass.

/// Whether the bytes begin as UTF-8 without a mark does (Jackson: `ByteSourceJsonBootstrapper#detectEncoding`).
pub(super) fn is_plain(input: &[u8]) -> bool {
    !matches!(
        input,
        [0xEF, 0xBB, 0xBF, _, ..] | [0xFE, 0xFF, _, _, ..] | [0xFF, 0xFE, _, _, ..] | [0, _, ..] | [_, 0, ..]
    )
}

/// Makes UTF-8 of the input. What Jackson refuses becomes a control character, which the parser refuses in its turn.
pub(super) fn transcode(input: &[u8], out: &mut String) {
    match input {
        [0, 0, 0xFE, 0xFF, rest @ ..] => utf32(rest, u32::from_be_bytes, out),
        [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes, out),
        // Marks count from four bytes on.
        [0xEF, 0xBB, 0xBF, _, ..] => utf8(&input[3..], out),
        [0xFE, 0xFF, _, _, ..] => utf16(&input[2..], u16::from_be_bytes, out),
        [0xFF, 0xFE, _, _, ..] => utf16(&input[2..], u16::from_le_bytes, out),
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
            push_surrogates(code, out);
            rest
        }
        [_, rest @ ..] => {
            out.push(REFUSED);
            rest
        }
        [] => bad,
    }
}

/// A character in a longer form than it needs counts within text only, and there as nothing but itself: as if it were escaped.
fn push_overlong(code: u32, out: &mut String) {
    match char::from_u32(code) {
        Some(character) if character.is_ascii() => {
            out.push_str("\\u00");
            out.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
        }
        Some(character) => out.push(character),
        None => out.push(REFUSED),
    }
}

/// Four bytes make a pair of surrogates whatever they stand for. Beyond Unicode, and below its second plane, the two do not pair and
/// print as question marks, or are other characters.
fn push_surrogates(code: u32, out: &mut String) {
    let offset = (code as i32).wrapping_sub(0x10000);
    let units = [(0xD800 | offset >> 10) as u16, (0xDC00 | offset & 0x3FF) as u16];
    out.extend(char::decode_utf16(units).map(|character| character.unwrap_or('?')));
}
