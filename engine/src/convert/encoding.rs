//! Character encodings by Java's names, with Java's replacements for what cannot be read or written.

use api::{Error, Result, java_text};

/// What stands for bytes that are no text.
const REPLACEMENT: char = '\u{fffd}';
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Windows-1252 between 0x80 and 0x9F; five places are empty.
const WINDOWS_1252: [Option<char>; 32] = {
    let mut table = [None; 32];
    let text = [
        0x20AC_u32, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
        0x0152, 0, 0x017D, 0, 0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122,
        0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
    ];
    let mut index = 0;
    while index < 32 {
        table[index] = if text[index] == 0 { None } else { char::from_u32(text[index]) };
        index += 1;
    }
    table
};

/// In which order the bytes of a unit come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
    /// As a mark says; big-endian without one.
    Marked,
}

/// An encoding that Aqueduct knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Ascii,
    Latin1,
    Windows1252,
    Utf16(Order),
    Utf32(Order),
}

impl Encoding {
    /// By a name or alias of Java's, any case.
    pub(super) fn named(name: &str) -> Result<Encoding> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" | "UNICODE-1-1-UTF-8" => Encoding::Utf8,
            "US-ASCII" | "ASCII" | "ASCII7" | "ISO646-US" | "ISO_646.IRV:1983" | "ISO_646.IRV:1991"
            | "ANSI_X3.4-1968" | "ANSI_X3.4-1986" | "ISO-IR-6" | "IBM367" | "CP367" | "US" | "CSASCII"
            | "646" | "DEFAULT" => Encoding::Ascii,
            "ISO-8859-1" | "ISO8859-1" | "ISO8859_1" | "ISO_8859-1" | "ISO_8859_1" | "ISO_8859-1:1987"
            | "ISO-IR-100" | "8859_1" | "LATIN1" | "L1" | "IBM-819" | "IBM819" | "CP819" | "819"
            | "CSISOLATIN1" => Encoding::Latin1,
            "WINDOWS-1252" | "CP1252" | "IBM-1252" | "IBM1252" => Encoding::Windows1252,
            "UTF-16" | "UTF16" | "UTF_16" | "UNICODE" | "UNICODEBIG" => Encoding::Utf16(Order::Marked),
            "UTF-16BE" | "UTF_16BE" | "X-UTF-16BE" | "ISO-10646-UCS-2" | "UNICODEBIGUNMARKED" => {
                Encoding::Utf16(Order::Big)
            }
            "UTF-16LE" | "UTF_16LE" | "X-UTF-16LE" | "UNICODELITTLEUNMARKED" => {
                Encoding::Utf16(Order::Little)
            }
            "UTF-32" | "UTF32" | "UTF_32" | "ISO-10646-UCS-4" | "UCS-4" => Encoding::Utf32(Order::Marked),
            "UTF-32BE" | "UTF_32BE" | "X-UTF-32BE" => Encoding::Utf32(Order::Big),
            "UTF-32LE" | "UTF_32LE" | "X-UTF-32LE" => Encoding::Utf32(Order::Little),
            _ => {
                return Err(Error::fatal(format!("Unsupported encoding {name}"))
                    .with_java_class("org.apache.kafka.common.errors.SerializationException"));
            }
        })
    }

    /// Appends the text that bytes stand for.
    pub(super) fn decode(self, bytes: &[u8], out: &mut String) {
        match self {
            Encoding::Utf8 => out.push_str(&java_text::decode_utf8_lossy(bytes)),
            Encoding::Ascii => out.extend(
                bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { REPLACEMENT }),
            ),
            Encoding::Latin1 => out.extend(bytes.iter().map(|byte| char::from(*byte))),
            Encoding::Windows1252 => out.extend(bytes.iter().map(|byte| match byte {
                0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)].unwrap_or(REPLACEMENT),
                byte => char::from(*byte),
            })),
            Encoding::Utf16(order) => decode_utf16(bytes, order, out),
            Encoding::Utf32(order) => decode_utf32(bytes, order, out),
        }
    }

    /// Appends the bytes of text. Characters that the encoding lacks become `?`, as in Java.
    pub(super) fn encode(self, text: &str, out: &mut Vec<u8>) {
        let single = |limit: u32| {
            move |character: char| if u32::from(character) < limit { character as u8 } else { b'?' }
        };
        match self {
            Encoding::Utf8 => out.extend_from_slice(text.as_bytes()),
            Encoding::Ascii => out.extend(text.chars().map(single(0x80))),
            Encoding::Latin1 => out.extend(text.chars().map(single(0x100))),
            Encoding::Windows1252 => out.extend(text.chars().map(|character| {
                match WINDOWS_1252.iter().position(|known| *known == Some(character)) {
                    Some(place) => 0x80 + place as u8,
                    None if matches!(u32::from(character), 0..0x80 | 0xA0..0x100) => character as u8,
                    None => b'?',
                }
            })),
            Encoding::Utf16(order) => {
                let mut units = [0; 2];
                let mut write = |character: char| {
                    for unit in character.encode_utf16(&mut units) {
                        out.extend_from_slice(&match order {
                            Order::Little => unit.to_le_bytes(),
                            Order::Big | Order::Marked => unit.to_be_bytes(),
                        });
                    }
                };
                if order == Order::Marked && !text.is_empty() {
                    write(BYTE_ORDER_MARK);
                }
                text.chars().for_each(write);
            }
            Encoding::Utf32(order) => text.chars().for_each(|character| {
                out.extend_from_slice(&match order {
                    Order::Little => u32::from(character).to_le_bytes(),
                    Order::Big | Order::Marked => u32::from(character).to_be_bytes(),
                });
            }),
        }
    }
}

fn decode_utf16(bytes: &[u8], order: Order, out: &mut String) {
    let (bytes, is_little) = match (order, bytes) {
        (Order::Marked, [0xFE, 0xFF, rest @ ..]) => (rest, false),
        (Order::Marked, [0xFF, 0xFE, rest @ ..]) => (rest, true),
        (order, bytes) => (bytes, order == Order::Little),
    };
    let (units, rest) = bytes.as_chunks::<2>();
    let unit =
        |bytes: &[u8; 2]| if is_little { u16::from_le_bytes(*bytes) } else { u16::from_be_bytes(*bytes) };
    let mut units = units.iter().map(unit);
    // An odd byte is one malformed character; behind a high surrogate both together are.
    let mut is_cut = !rest.is_empty();
    while let Some(first) = units.next() {
        match first {
            0xD800..0xDC00 => match units.next() {
                Some(second) => {
                    // What follows a high surrogate is malformed together with it.
                    let pair = char::decode_utf16([first, second]).next().and_then(Result::ok);
                    out.push(pair.unwrap_or(REPLACEMENT));
                }
                None => {
                    out.push(REPLACEMENT);
                    is_cut = false;
                }
            },
            unit => out.push(char::from_u32(unit.into()).unwrap_or(REPLACEMENT)),
        }
    }
    if is_cut {
        out.push(REPLACEMENT);
    }
}

fn decode_utf32(bytes: &[u8], order: Order, out: &mut String) {
    let (bytes, is_little) = match (order, bytes) {
        (Order::Marked | Order::Big, [0, 0, 0xFE, 0xFF, rest @ ..]) => (rest, false),
        (Order::Marked | Order::Little, [0xFF, 0xFE, 0, 0, rest @ ..]) => (rest, true),
        (order, bytes) => (bytes, order == Order::Little),
    };
    let (units, rest) = bytes.as_chunks::<4>();
    out.extend(units.iter().map(|bytes| {
        let code = if is_little { u32::from_le_bytes(*bytes) } else { u32::from_be_bytes(*bytes) };
        match char::from_u32(code) {
            Some(character) => character,
            // Java lets single surrogates pass, which print as question marks.
            None if code <= 0xFFFF => '?',
            None => REPLACEMENT,
        }
    }));
    if !rest.is_empty() {
        out.push(REPLACEMENT);
    }
}
