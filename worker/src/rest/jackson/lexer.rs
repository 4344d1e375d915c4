//! Text to tokens, with Jackson's limits, positions and messages (`UTF8StreamJsonParser`).

/// Deepest nesting (`StreamReadConstraints`).
const DEPTH_MAX: usize = 1_000;

/// Longest number.
const NUMBER_CHARS_MAX: usize = 1_000;

/// What Jackson says instead of the body itself.
pub(super) const SOURCE: &str =
    "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: ";

const VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// A place in the body, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    pub(super) fn text(self) -> String {
        format!("{SOURCE}{}, column: {}]", self.line, self.column)
    }
}

/// What is wrong with the text. The position is part of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError(pub(super) String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    Field(String),
    /// The text is read by [`Lexer::text`]: Jackson looks at it only when somebody wants it.
    Text,
    Int(String),
    Float(String),
    True,
    False,
    Null,
    End,
}

impl Token {
    /// Its name in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Token::StartObject => "START_OBJECT",
            Token::EndObject => "END_OBJECT",
            Token::StartArray => "START_ARRAY",
            Token::EndArray => "END_ARRAY",
            Token::Field(_) => "FIELD_NAME",
            Token::Text => "VALUE_STRING",
            Token::Int(_) => "VALUE_NUMBER_INT",
            Token::Float(_) => "VALUE_NUMBER_FLOAT",
            Token::True => "VALUE_TRUE",
            Token::False => "VALUE_FALSE",
            Token::Null => "VALUE_NULL",
            Token::End => "NOT_AVAILABLE",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The first value or the closing mark.
    First,
    /// A comma or the closing mark.
    Next,
    /// The value of a field.
    Value,
}

#[derive(Debug)]
struct Frame {
    is_object: bool,
    start: Place,
    expect: Expect,
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    frames: Vec<Frame>,
    /// Where the last token began.
    pub(super) token_place: Place,
    is_in_text: bool,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Lexer<'a> {
        let at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let token_place = Place { line: 1, column: 1 };
        Lexer { bytes, at, line: 1, line_start: 0, frames: Vec::new(), token_place, is_in_text: false }
    }

    /// How deep the next value is.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// Where reading has come to.
    pub(super) fn place(&self) -> Place {
        self.place_of(self.at)
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        if self.is_in_text {
            self.text()?;
        }
        let Some(first) = self.skip_blanks()? else { return self.ended() };
        self.token_place = self.place();
        let Some(frame) = self.frames.last_mut() else { return self.value(first) };
        let is_object = frame.is_object;
        let close = if is_object { b'}' } else { b']' };
        match frame.expect {
            Expect::Value => {
                frame.expect = Expect::Next;
                return self.value(first);
            }
            Expect::First | Expect::Next if first == close => {
                self.at += 1;
                self.frames.pop();
                return Ok(if is_object { Token::EndObject } else { Token::EndArray });
            }
            Expect::First => {}
            Expect::Next if first == b',' => {
                self.at += 1;
                if self.skip_blanks()?.is_none() {
                    return Err(self.ended_between(is_object));
                }
            }
            Expect::Next if first == b'}' || first == b']' => {
                let (kind, start) = (kind(is_object), frame.start.text());
                let message = format!(
                    "Unexpected close marker '{}': expected '{}' (for {kind} starting at {start})",
                    char::from(first),
                    char::from(close)
                );
                return Err(self.error(self.at, message));
            }
            Expect::Next => {
                let entries = kind(is_object);
                return Err(self.unexpected(&format!("was expecting comma to separate {entries} entries")));
            }
        }
        self.token_place = self.place();
        if is_object {
            return self.field();
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.expect = Expect::Next;
        }
        match self.bytes.get(self.at) {
            Some(&byte) => self.value(byte),
            None => Err(self.ended_between(false)),
        }
    }

    fn field(&mut self) -> Result<Token> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        self.at += 1;
        let name = self.string("name", "field name")?;
        match self.skip_blanks()? {
            Some(b':') => self.at += 1,
            Some(_) => {
                return Err(self.unexpected("was expecting a colon to separate field name and value"));
            }
            None => return Err(self.ended_between(true)),
        }
        if self.skip_blanks()?.is_none() {
            return Err(self.ended_between(true));
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.expect = Expect::Value;
        }
        Ok(Token::Field(name))
    }

    fn value(&mut self, first: u8) -> Result<Token> {
        match first {
            b'"' => {
                self.at += 1;
                self.is_in_text = true;
                Ok(Token::Text)
            }
            b'{' | b'[' => {
                self.at += 1;
                if self.frames.len() == DEPTH_MAX {
                    return Err(SyntaxError(format!(
                        "Document nesting depth ({}) exceeds the maximum allowed ({DEPTH_MAX}, from \
                         `StreamReadConstraints.getMaxNestingDepth()`)",
                        DEPTH_MAX + 1
                    )));
                }
                let is_object = first == b'{';
                self.frames.push(Frame { is_object, start: self.token_place, expect: Expect::First });
                Ok(if is_object { Token::StartObject } else { Token::StartArray })
            }
            b't' => self.word("true", Token::True),
            b'f' => self.word("false", Token::False),
            b'n' => self.word("null", Token::Null),
            b'-' | b'0'..=b'9' => self.number(),
            b'+' => {
                let detail = "in numeric value: JSON spec does not allow numbers to have plus signs: enable \
                              `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow";
                self.at += 1;
                Err(self.error(self.at, format!("Unexpected character ('+' (code 43)) {detail}")))
            }
            b',' | b'}' if !self.frames.is_empty() => Err(self.unexpected("expected a value")),
            _ => self.no_value(),
        }
    }

    fn word(&mut self, word: &str, token: Token) -> Result<Token> {
        let end = self.at + self.word_length();
        if &self.bytes[self.at..end] == word.as_bytes() {
            self.at = end;
            return Ok(token);
        }
        self.no_value()
    }

    /// Letters and digits from here.
    fn word_length(&self) -> usize {
        let is_part =
            |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte == b'$' || **byte >= 0x80;
        self.bytes[self.at..].iter().take_while(is_part).count()
    }

    fn no_value(&mut self) -> Result<Token> {
        let length = self.word_length();
        let word = String::from_utf8_lossy(&self.bytes[self.at..self.at + length]).into_owned();
        for special in ["NaN", "Infinity"] {
            if word == special {
                self.at += length;
                let message = format!(
                    "Non-standard token '{special}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
                );
                return Err(self.error(self.at, message));
            }
        }
        if word.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == '$') {
            let shown: String = word.chars().take(256).collect();
            let dots = if shown.len() < word.len() { "..." } else { "" };
            return Err(
                self.error(self.at, format!("Unrecognized token '{shown}{dots}': was expecting {VALUES}"))
            );
        }
        Err(self.unexpected(&format!("expected a valid value {VALUES}")))
    }

    fn number(&mut self) -> Result<Token> {
        let start = self.at;
        let is_digit = |lexer: &Lexer<'_>| lexer.bytes.get(lexer.at).is_some_and(u8::is_ascii_digit);
        if self.bytes[self.at] == b'-' {
            self.at += 1;
            if !is_digit(self) {
                return Err(
                    self.bad_number("expected digit (0-9) to follow minus sign, for valid numeric value")
                );
            }
        }
        let has_zero = self.bytes[self.at] == b'0';
        self.at += 1;
        if has_zero && is_digit(self) {
            return Err(self.error(self.at, "Invalid numeric value: Leading zeroes not allowed".to_owned()));
        }
        while is_digit(self) {
            self.at += 1;
        }
        let mut is_float = false;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_float = true;
            if !is_digit(self) {
                return Err(self.bad_number("Decimal point not followed by a digit"));
            }
            while is_digit(self) {
                self.at += 1;
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            is_float = true;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !is_digit(self) {
                return Err(self.bad_number("Exponent indicator not followed by a digit"));
            }
            while is_digit(self) {
                self.at += 1;
            }
        }
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        if text.len() > NUMBER_CHARS_MAX {
            return Err(SyntaxError(format!(
                "Number value length ({}) exceeds the maximum allowed ({NUMBER_CHARS_MAX}, from \
                 `StreamReadConstraints.getMaxNumberLength()`)",
                text.len()
            )));
        }
        let is_separated = matches!(self.bytes.get(self.at), None | Some(b' ' | b'\t' | b'\n' | b'\r'));
        if self.frames.is_empty() && !is_separated {
            return Err(self.unexpected("Expected space separating root-level values"));
        }
        Ok(if is_float { Token::Float(text) } else { Token::Int(text) })
    }

    fn bad_number(&self, detail: &str) -> SyntaxError {
        match self.character() {
            Some(found) => {
                self.error(self.at, format!("Unexpected character ({found}) in numeric value: {detail}"))
            }
            None => self.error(self.at, "Unexpected end-of-input within/between Object entries".to_owned()),
        }
    }

    /// Reads the text of the last token.
    pub(super) fn text(&mut self) -> Result<String> {
        self.is_in_text = false;
        self.string("string value", "VALUE_STRING")
    }

    fn string(&mut self, within: &str, cut_off: &str) -> Result<String> {
        let mut text = Vec::new();
        loop {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.error(self.at, format!("Unexpected end-of-input in {cut_off}")));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&text).into_owned());
                }
                b'\\' => {
                    self.at += 1;
                    let escaped = self.escape()?;
                    text.extend(escaped.encode_utf8(&mut [0; 4]).bytes());
                }
                0..0x20 => {
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be \
                         included in {within}"
                    );
                    return Err(self.error(self.at, message));
                }
                0x20..0x80 => {
                    text.push(byte);
                    self.at += 1;
                }
                _ => self.wide(byte, &mut text)?,
            }
        }
    }

    fn wide(&mut self, first: u8, text: &mut Vec<u8>) -> Result<()> {
        let length = match first {
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF8 => 4,
            _ => return Err(self.error(self.at + 1, format!("Invalid UTF-8 start byte 0x{first:x}"))),
        };
        let start = self.at;
        for at in start + 1..start + length {
            match self.bytes.get(at) {
                Some(0x80..0xC0) => {}
                Some(other) => {
                    return Err(self.error(at + 1, format!("Invalid UTF-8 middle byte 0x{other:x}")));
                }
                None => return Err(self.error(at, "Unexpected end-of-input in VALUE_STRING".to_owned())),
            }
        }
        text.extend(&self.bytes[start..start + length]);
        self.at += length;
        Ok(())
    }

    fn escape(&mut self) -> Result<char> {
        let place = self.at;
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.error(place, "Unexpected end-of-input in character escape sequence".to_owned()));
        };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex()?;
                let mut units = vec![high];
                let is_pair = (0xD800..0xDC00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u");
                if is_pair {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        units.push(low);
                    } else {
                        self.at = before;
                    }
                }
                // Half a pair is no character.
                char::decode_utf16(units)
                    .next()
                    .and_then(std::result::Result::ok)
                    .unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at = place;
                let found = self.character().unwrap_or_default();
                return Err(self.error(place, format!("Unrecognized character escape {found}")));
            }
        })
    }

    fn hex(&mut self) -> Result<u16> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|&byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(match self.character() {
                    Some(_) => self.unexpected("expected a hex-digit for character escape sequence"),
                    None => {
                        self.error(self.at, "Unexpected end-of-input in character escape sequence".to_owned())
                    }
                });
            };
            value = value * 16 + digit as u16;
            self.at += 1;
        }
        Ok(value)
    }

    fn skip_blanks(&mut self) -> Result<Option<u8>> {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b'\r' if self.bytes.get(self.at + 1) != Some(&b'\n') => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                b'/' => {
                    return Err(self.unexpected(
                        "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not \
                         enabled for parser)",
                    ));
                }
                0..0x20 => {
                    let message = format!(
                        "Illegal character ((CTRL-CHAR, code {byte})): only regular white space (\\r, \\n, \\t) is allowed \
                         between tokens"
                    );
                    return Err(self.error(self.at + 1, message));
                }
                _ => return Ok(Some(byte)),
            }
            self.at += 1;
        }
        Ok(None)
    }

    fn ended(&self) -> Result<Token> {
        match self.frames.last() {
            None => Ok(Token::End),
            Some(frame) => {
                let (kind, start) = (kind(frame.is_object), frame.start.text());
                let message = format!(
                    "Unexpected end-of-input: expected close marker for {kind} (start marker at {start})"
                );
                Err(self.error(self.at, message))
            }
        }
    }

    fn ended_between(&self, is_object: bool) -> SyntaxError {
        self.error(self.at, format!("Unexpected end-of-input within/between {} entries", kind(is_object)))
    }

    fn unexpected(&self, detail: &str) -> SyntaxError {
        let found = self.character().unwrap_or_default();
        self.error(self.at, format!("Unexpected character ({found}): {detail}"))
    }

    /// The character here, as messages show it.
    fn character(&self) -> Option<String> {
        let rest = &self.bytes[self.at..];
        let first = *rest.first()?;
        if first < 0x80 {
            let code = u32::from(first);
            return Some(if code < 0x20 {
                format!("(CTRL-CHAR, code {code})")
            } else {
                format!("'{}' (code {code})", char::from(first))
            });
        }
        let text = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
        let character = text.chars().next()?;
        let code = u32::from(character);
        Some(if code > 0xFF {
            format!("'{character}' (code {code} / 0x{code:x})")
        } else {
            format!("'{character}' (code {code})")
        })
    }

    fn error(&self, at: usize, message: String) -> SyntaxError {
        SyntaxError(format!("{message}\n at {}", self.place_of(at).text()))
    }

    fn place_of(&self, at: usize) -> Place {
        Place { line: self.line, column: at - self.line_start + 1 }
    }
}

fn kind(is_object: bool) -> &'static str {
    if is_object { "Object" } else { "Array" }
}
