//! Time zones in text: offsets, and the names of UTC and GMT.

use super::parse::begins_with;

const MINUTE_MS: i32 = 60_000;
const NAMES: [&str; 2] = ["Coordinated Universal Time", "UTC"];

/// How an offset is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `+hh`.
    Hours,
    /// `+hhmm`.
    Plain,
    /// `+hh:mm`.
    Colon,
    /// `+h:mm` or `+hh:mm`.
    ShortColon,
}

/// Reads what `z` and `Z` stand for: the offset in ms, and how many bytes it takes. After blanks GMT is a mere name, which no offset
/// follows.
pub(super) fn parse(text: &str, is_after_blanks: bool) -> Option<(i32, usize)> {
    if text.starts_with(['+', '-']) {
        return offset(text, Form::Plain);
    }
    if let Some(len) = begins_with(text, "GMT") {
        let rest = &text[len..];
        if is_after_blanks || !rest.starts_with(['+', '-']) {
            return Some((0, len));
        }
        let (offset_ms, offset_len) = offset(rest, Form::ShortColon)?;
        return Some((offset_ms, len + offset_len));
    }
    NAMES.iter().find_map(|name| begins_with(text, name)).map(|len| (0, len))
}

/// Reads what one, two or three letters `X` stand for.
pub(super) fn parse_iso(text: &str, width: usize) -> Option<(i32, usize)> {
    if text.starts_with('Z') {
        return Some((0, 1));
    }
    offset(
        text,
        match width {
            1 => Form::Hours,
            2 => Form::Plain,
            _ => Form::Colon,
        },
    )
}

/// Reads a signed offset (`SimpleDateFormat#subParseNumericZone`).
fn offset(text: &str, form: Form) -> Option<(i32, usize)> {
    let bytes = text.as_bytes();
    let sign = match bytes.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digit =
        |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i32::from(byte - b'0'));
    let mut hours = digit(1)?;
    let mut at = 2;
    match digit(at) {
        Some(second) => {
            hours = hours * 10 + second;
            at += 1;
        }
        None if form == Form::ShortColon => {}
        None => return None,
    }
    if hours > 23 {
        return None;
    }
    let mut minutes = 0;
    if form != Form::Hours {
        if form != Form::Plain {
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at += 1;
        }
        minutes = digit(at)? * 10 + digit(at + 1)?;
        at += 2;
        if minutes > 59 {
            return None;
        }
    }
    Some((sign * (hours * 60 + minutes) * MINUTE_MS, at))
}
