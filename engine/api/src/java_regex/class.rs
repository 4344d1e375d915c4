//! Escapes and character classes.

use super::pattern::RegexError;
use super::translate::{Reader, end_of_input};

const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x{0B}\x{0C}\r\x{85}\x{2028}\x{2029}";

/// What an escape stands for.
enum Escaped {
    Char(char),
    /// The content of a class, and whether it is what the class leaves out.
    Class(String, bool),
}

/// A character that stands for itself, in and out of classes.
pub(super) fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!(r"\x{{{:X}}}", u32::from(c)) }
}

/// An escape outside of a class, its backslash read.
pub(super) fn escape(reader: &mut Reader<'_>) -> Result<String, RegexError> {
    let Some(next) = reader.peek() else {
        reader.at += 1;
        return Err(reader.fault("Unexpected internal error"));
    };
    let simple = match next {
        '1'..='9' => {
            reader.at += 1;
            return Ok(reader.back_reference(u32::from(next) - u32::from('0')));
        }
        'k' => {
            reader.at += 1;
            return reader.named_reference();
        }
        'A' | 'G' => r"\A".to_owned(),
        'z' => r"\z".to_owned(),
        'Z' => end_of_input(),
        'b' if reader.pattern.get(reader.at + 1) != Some(&'{') => r"\b".to_owned(),
        'B' => r"\B".to_owned(),
        'R' => format!(r"(?:\r\n|[{VERTICAL}])"),
        'b' | 'X' | 'N' => {
            reader.at += 1;
            return Err(reader.fault(format!("\\{next} is not supported here")));
        }
        _ => {
            return Ok(match escaped(reader)? {
                Escaped::Char(c) => reader.literal(c),
                Escaped::Class(class, negated) => {
                    reader.cased(&if negated { format!("[^{class}]") } else { format!("[{class}]") })
                }
            });
        }
    };
    reader.at += 1;
    Ok(simple)
}

/// A class, its opening bracket read.
pub(super) fn bracketed(reader: &mut Reader<'_>) -> Result<String, RegexError> {
    reader.enter()?;
    let mut out = String::from(if reader.takes('^') { "[^" } else { "[" });
    // Of the operand since the last `&&`.
    let mut is_empty = true;
    let mut has_intersection = false;
    loop {
        let Some(next) = reader.peek() else { return Err(reader.fault("Unclosed character class")) };
        match next {
            ']' if !is_empty || has_intersection => break,
            '[' => {
                reader.at += 1;
                out.push_str(&bracketed(reader)?);
            }
            '&' if reader.pattern.get(reader.at + 1) == Some(&'&') => {
                while reader.takes('&') {}
                if !is_empty && reader.peek() != Some(']') {
                    out.push_str("&&");
                }
                has_intersection = !is_empty;
                is_empty = !has_intersection;
                continue;
            }
            _ => out.push_str(&item(reader)?),
        }
        is_empty = false;
    }
    reader.at += 1;
    reader.depth -= 1;
    out.push(']');
    Ok(out)
}

/// A character, a range, an escape or a quotation.
fn item(reader: &mut Reader<'_>) -> Result<String, RegexError> {
    let start = match class_char(reader)? {
        Some(Escaped::Char(c)) => c,
        Some(Escaped::Class(class, negated)) => {
            return Ok(if negated { format!("[^{class}]") } else { format!("[{class}]") });
        }
        None => return Ok(quotation(reader)),
    };
    let after = reader.pattern.get(reader.at + 1);
    if reader.peek() != Some('-') || matches!(after, Some(']' | '[')) {
        return Ok(literal(start));
    }
    reader.at += 1;
    if reader.peek().is_none() {
        reader.at += 1;
        return Err(reader.fault("Illegal character range"));
    }
    match class_char(reader)? {
        Some(Escaped::Char(end)) if start <= end => Ok(format!("{}-{}", literal(start), literal(end))),
        _ => Err(reader.fault("Illegal character range")),
    }
}

/// `None` for the start of a quotation.
fn class_char(reader: &mut Reader<'_>) -> Result<Option<Escaped>, RegexError> {
    match reader.next() {
        Some('\\') => match reader.peek() {
            None => {
                reader.at += 1;
                Err(reader.fault("Unclosed character class"))
            }
            Some('Q') => {
                reader.at += 1;
                Ok(None)
            }
            Some(c @ ('A' | 'B' | 'G' | 'R' | 'X' | 'Z' | 'b' | 'k' | 'z' | '1'..='9')) => {
                reader.at += 1;
                let _ = c;
                Err(reader.fault("Illegal/unsupported escape sequence"))
            }
            Some(_) => escaped(reader).map(Some),
        },
        Some(c) => Ok(Some(Escaped::Char(c))),
        None => Err(reader.fault("Unclosed character class")),
    }
}

fn quotation(reader: &mut Reader<'_>) -> String {
    let mut out = String::new();
    while let Some(c) = reader.peek() {
        if c == '\\' && reader.pattern.get(reader.at + 1) == Some(&'E') {
            reader.at += 2;
            break;
        }
        out.push_str(&literal(c));
        reader.at += 1;
    }
    out
}

/// An escape that is a character or a class, its backslash read.
fn escaped(reader: &mut Reader<'_>) -> Result<Escaped, RegexError> {
    let Some(next) = reader.next() else { return Err(reader.fault("Unexpected internal error")) };
    let class = |text: &str| Escaped::Class(text.to_owned(), next.is_ascii_uppercase());
    let is_unicode = reader.flags.is_unicode;
    Ok(match next {
        'd' | 'D' => class(if is_unicode { r"\d" } else { "0-9" }),
        'w' | 'W' => class(if is_unicode { r"\w" } else { "a-zA-Z_0-9" }),
        's' | 'S' => class(if is_unicode { r"\s" } else { r" \t\n\x{0B}\x{0C}\r" }),
        'h' | 'H' => class(HORIZONTAL),
        'v' | 'V' => class(VERTICAL),
        'p' | 'P' => property(reader, next == 'P')?,
        't' => Escaped::Char('\t'),
        'n' => Escaped::Char('\n'),
        'r' => Escaped::Char('\r'),
        'f' => Escaped::Char('\u{c}'),
        'a' => Escaped::Char('\u{7}'),
        'e' => Escaped::Char('\u{1b}'),
        'c' => {
            let Some(letter) = reader.peek() else {
                return Err(reader.fault("Illegal control escape sequence"));
            };
            reader.at += 1;
            Escaped::Char(char::from_u32(u32::from(letter) ^ 64).unwrap_or(letter))
        }
        '0' => octal(reader)?,
        'x' => hexadecimal(reader)?,
        'u' => {
            let mut code = 0;
            for _ in 0..4 {
                let digit = reader.next().and_then(|c| c.to_digit(16));
                code = code * 16 + digit.ok_or_else(|| reader.fault("Illegal Unicode escape sequence"))?;
            }
            Escaped::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        letter if letter.is_ascii_alphabetic() => {
            return Err(reader.fault("Illegal/unsupported escape sequence"));
        }
        other => Escaped::Char(other),
    })
}

/// Up to `\0377`.
fn octal(reader: &mut Reader<'_>) -> Result<Escaped, RegexError> {
    let first = reader.next().and_then(|c| c.to_digit(8));
    let mut code = first.ok_or_else(|| reader.fault("Illegal octal escape sequence"))?;
    let digits_max = if code <= 3 { 2 } else { 1 };
    for _ in 0..digits_max {
        let Some(digit) = reader.peek().and_then(|c| c.to_digit(8)) else { break };
        code = code * 8 + digit;
        reader.at += 1;
    }
    Ok(Escaped::Char(char::from_u32(code).unwrap_or_default()))
}

/// `\x41` or `\x{1F600}`.
fn hexadecimal(reader: &mut Reader<'_>) -> Result<Escaped, RegexError> {
    let illegal = "Illegal hexadecimal escape sequence";
    let next = reader.next();
    let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
    if let Some(high) = digit(next) {
        let low = reader.next();
        let low = digit(low).ok_or_else(|| reader.fault(illegal))?;
        return Ok(Escaped::Char(char::from_u32(high * 16 + low).unwrap_or_default()));
    }
    if next != Some('{') || digit(reader.peek()).is_none() {
        return Err(reader.fault(illegal));
    }
    let mut code = 0;
    while let Some(value) = digit(reader.peek()) {
        reader.at += 1;
        code = code * 16 + value;
        if code > 0x10_FFFF {
            return Err(reader.fault("Hexadecimal codepoint is too big"));
        }
    }
    if reader.next() != Some('}') {
        return Err(reader.fault("Unclosed hexadecimal escape sequence"));
    }
    Ok(Escaped::Char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)))
}

/// `\p{Alpha}`, `\pL`, `\p{IsAlphabetic}`.
fn property(reader: &mut Reader<'_>, negated: bool) -> Result<Escaped, RegexError> {
    let mut name = String::new();
    if reader.takes('{') {
        loop {
            match reader.next() {
                Some('}') => break,
                Some(c) => name.push(c),
                None => return Err(reader.fault("Unclosed character family")),
            }
        }
    } else {
        name.extend(reader.next());
    }
    let class = match name.as_str() {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x{00}-\x{7F}",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r"!-/:-@\x{5B}-`\x{7B}-\x{7E}",
        "Graph" => r"!-\x{7E}",
        "Print" => r"\x{20}-\x{7E}",
        "Blank" => r" \t",
        "Cntrl" => r"\x{00}-\x{1F}\x{7F}",
        "XDigit" => "0-9a-fA-F",
        "Space" => r" \t\n\x{0B}\x{0C}\r",
        "javaLowerCase" => r"\p{Lowercase}",
        "javaUpperCase" => r"\p{Uppercase}",
        "javaWhitespace" => r"\s",
        "javaLetter" | "javaAlphabetic" => r"\p{Alphabetic}",
        "javaDigit" => r"\p{Nd}",
        "javaLetterOrDigit" => r"\p{L}\p{Nd}",
        _ => return unicode(reader, &name, negated),
    };
    Ok(Escaped::Class(class.to_owned(), negated))
}

/// General categories, scripts and binary properties, as far as Unicode's names say the same in both.
fn unicode(reader: &Reader<'_>, name: &str, negated: bool) -> Result<Escaped, RegexError> {
    let bare = name.strip_prefix("Is").unwrap_or(name);
    let is_category = bare.len() <= 2 && !bare.is_empty();
    let is_name =
        (is_category || bare.len() < name.len()) && bare.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let class = format!(r"\p{{{bare}}}");
    if is_name && fancy_regex::Regex::new(&class).is_ok() {
        Ok(Escaped::Class(class, negated))
    } else {
        Err(reader.fault(format!("Unknown character property name {{{name}}}")))
    }
}
