//! The general JSON parser: one record's text to a flat list of nodes that is reused for the next record.
//!
//! It accepts exactly what Java's JsonConverter accepts through Jackson: numbers with leading zeros, anything after the value,
//! byte order marks, UTF-16 and UTF-32; and refuses what Jackson refuses, with its limits. It knows nothing of schemas
//! and columns.

use std::collections::HashMap;

use super::charset;

/// Nesting beyond this is refused (Jackson: `StreamReadConstraints`).
const DEPTH_MAX: usize = 1000;
/// Digits of a number.
const NUMBER_DIGITS_MAX: usize = 1000;
/// Characters of an object key.
const NAME_CHARS_MAX: usize = 50_000;

/// What a [`Node`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Decimal,
    /// Text whose bytes stand in the source as they are.
    PlainText,
    /// Text that had escapes; its characters are in the side buffer.
    EscapedText,
    /// Children are its items.
    Array,
    /// Children are key, value, key, value.
    Object,
}

/// One JSON value, and with `next` the place of the value after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// First byte in the source.
    pub(super) start: u32,
    /// One past the last byte in the source.
    pub(super) end: u32,
    /// Where the characters of an escaped text begin in the side buffer; items or entries of a collection otherwise.
    detail: u32,
    /// Length in the side buffer of an escaped text; otherwise the node after this one and all its children.
    next: u32,
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// For the operator.
    pub(super) message: String,
}

/// Owns the memory of the parser.
#[derive(Debug, Default)]
pub(super) struct Parser {
    nodes: Vec<Node>,
    side: String,
    transcoded: String,
}

/// A parsed record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    nodes: &'a [Node],
    side: &'a str,
    source: &'a str,
    /// Whether the source is the record's own bytes.
    pub(super) is_verbatim: bool,
}

/// A value of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a> {
    document: Document<'a>,
    index: usize,
}

impl Parser {
    /// Parses the first value of `input`; `None` when there is nothing but blanks.
    pub(super) fn parse<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<Json<'a>>, SyntaxError> {
        self.nodes.clear();
        self.side.clear();
        if u32::try_from(input.len()).is_err() {
            return Err(SyntaxError { message: format!("a record of {} bytes is too long", input.len()) });
        }
        let verbatim = if charset::is_plain(input) { simdutf8::basic::from_utf8(input).ok() } else { None };
        let source = match verbatim {
            Some(source) => source,
            None => {
                self.transcoded.clear();
                charset::transcode(input, &mut self.transcoded);
                &self.transcoded
            }
        };
        let mut scanner = Scanner {
            source: source.as_bytes(),
            text: source,
            at: 0,
            nodes: &mut self.nodes,
            side: &mut self.side,
            has_lone_surrogate: false,
        };
        scanner.skip_blanks();
        if scanner.at == source.len() {
            return Ok(None);
        }
        scanner.value(0)?;
        scanner.end_root_number()?;
        let document =
            Document { nodes: &self.nodes, side: &self.side, source, is_verbatim: verbatim.is_some() };
        Ok(Some(Json { document, index: 0 }))
    }

    /// Parses the value that begins at `text`; also says how many bytes it takes.
    pub(super) fn parse_prefix<'a>(&'a mut self, text: &'a str) -> Result<(Json<'a>, usize), SyntaxError> {
        self.nodes.clear();
        self.side.clear();
        let mut scanner = Scanner {
            source: text.as_bytes(),
            text,
            at: 0,
            nodes: &mut self.nodes,
            side: &mut self.side,
            has_lone_surrogate: false,
        };
        scanner.skip_blanks();
        scanner.value(0)?;
        let end = scanner.at;
        let document = Document { nodes: &self.nodes, side: &self.side, source: text, is_verbatim: true };
        Ok((Json { document, index: 0 }, end))
    }
}

struct Scanner<'a> {
    source: &'a [u8],
    text: &'a str,
    at: usize,
    nodes: &'a mut Vec<Node>,
    side: &'a mut String,
    /// Whether half of a surrogate pair was escaped, since this was last reset.
    has_lone_surrogate: bool,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let message = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!(
                "Unexpected character ('{}' (code {})) at byte {}: expected {wanted}",
                found.escape_default(),
                u32::from(found),
                self.at
            ),
            None => format!("Unexpected end-of-input at byte {}: expected {wanted}", self.at),
        };
        SyntaxError { message }
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, start: start as u32, end: self.at as u32, detail: 0, next });
    }

    fn value(&mut self, depth: usize) -> Result<(), SyntaxError> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true").map(|()| self.push(Kind::True, start)),
            Some(b'f') => self.word("false").map(|()| self.push(Kind::False, start)),
            Some(b'n') => self.word("null").map(|()| self.push(Kind::Null, start)),
            _ => Err(self.unexpected("a valid value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if !self.source[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a valid value"));
        }
        self.at += word.len();
        match self.peek() {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80..) => {
                Err(self.unexpected("the end of a word"))
            }
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let mut digits = self.digits()?;
        let mut kind = Kind::Integer;
        if self.peek() == Some(b'.') {
            kind = Kind::Decimal;
            self.at += 1;
            digits += self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            kind = Kind::Decimal;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let exponent = self.at;
            digits += self.digits()?;
            if self.text[exponent..self.at].parse::<i32>().is_err() {
                return Err(SyntaxError {
                    message: format!("exponent of the number at byte {start} is out of range"),
                });
            }
        }
        if digits > NUMBER_DIGITS_MAX {
            return Err(SyntaxError {
                message: format!(
                    "Number value length ({digits}) exceeds the maximum allowed ({NUMBER_DIGITS_MAX})"
                ),
            });
        }
        // At the top level, as within an object, a number ends where a blank or punctuation begins.
        if let Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'.' | b'"' | b'+' | b'-' | 0x80..) =
            self.peek()
        {
            return Err(self.unexpected("the end of a number"));
        }
        self.push(kind, start);
        Ok(())
    }

    /// Returns the number of digits.
    fn digits(&mut self) -> Result<usize, SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(self.at - start) }
    }

    /// Behind a number that is the whole record nothing but a blank may follow, unlike behind other values.
    fn end_root_number(&self) -> Result<(), SyntaxError> {
        let is_number = matches!(self.nodes[0].kind, Kind::Integer | Kind::Decimal);
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            Some(_) if is_number => Err(self.unexpected("a blank behind a number")),
            Some(_) => Ok(()),
        }
    }

    /// Returns the number of bytes of the text.
    fn string(&mut self) -> Result<usize, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut run = self.at;
        let mut side_start = None;
        loop {
            match super::scan::find_special(self.source, self.at) {
                Some(at) => self.at = at,
                None => {
                    self.at = self.source.len();
                    return Err(self.unexpected("the end of a text"));
                }
            }
            match self.source[self.at] {
                b'"' => break,
                b'\\' => {
                    side_start.get_or_insert(self.side.len());
                    self.side.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    self.escape()?;
                    run = self.at;
                }
                control => {
                    return Err(SyntaxError {
                        message: format!(
                            "Illegal unquoted character ((CTRL-CHAR, code {control})) at byte {}",
                            self.at
                        ),
                    });
                }
            }
        }
        let end = self.at;
        self.at += 1;
        match side_start {
            None => {
                self.push(Kind::PlainText, start);
                Ok(end - run)
            }
            Some(side_start) => {
                self.side.push_str(&self.text[run..end]);
                let len = self.side.len() - side_start;
                self.nodes.push(Node {
                    kind: Kind::EscapedText,
                    start: start as u32,
                    end: self.at as u32,
                    detail: side_start as u32,
                    next: len as u32,
                });
                Ok(len)
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let Some(escape) = self.peek() else { return Err(self.unexpected("an escape")) };
        let plain = match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let unit = self.hex_unit()?;
                let character = match unit {
                    0xD800..0xDC00 => self.low_surrogate(unit),
                    _ => char::from_u32(unit),
                };
                // A lone surrogate cannot be held as UTF-8. Java keeps it: its JsonConverter writes the escape again, all others `?`.
                self.has_lone_surrogate |= character.is_none();
                self.side.push(character.unwrap_or('?'));
                return Ok(());
            }
            _ => return Err(self.unexpected("an escape character")),
        };
        self.at += 1;
        self.side.push(plain);
        Ok(())
    }

    fn hex_unit(&mut self) -> Result<u32, SyntaxError> {
        match hex4(self.source, self.at) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => Err(self.unexpected("four hexadecimal digits")),
        }
    }

    /// The character of a high surrogate when an escaped low one follows, which is then consumed.
    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        if self.source.get(self.at..self.at + 2) != Some(br"\u") {
            return None;
        }
        let low = hex4(self.source, self.at + 2).filter(|low| (0xDC00..0xE000).contains(low))?;
        self.at += 6;
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    }

    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(SyntaxError {
                message: format!(
                    "Document nesting depth ({depth}) exceeds the maximum allowed ({DEPTH_MAX})"
                ),
            });
        }
        let index = self.nodes.len();
        self.push(kind, self.at);
        self.at += 1;
        self.skip_blanks();
        Ok(index)
    }

    fn close(&mut self, index: usize, count: u32) {
        self.at += 1;
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[index];
        node.end = self.at as u32;
        node.detail = count;
        node.next = next;
    }

    fn array(&mut self, depth: usize) -> Result<(), SyntaxError> {
        let index = self.open(Kind::Array, depth)?;
        let mut count = 0;
        if self.peek() != Some(b']') {
            loop {
                self.value(depth)?;
                count += 1;
                self.skip_blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.unexpected("',' or ']'")),
                }
                self.skip_blanks();
            }
        }
        self.close(index, count);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), SyntaxError> {
        let index = self.open(Kind::Object, depth)?;
        let mut count = 0;
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected("a double-quote that starts a field name"));
                }
                self.has_lone_surrogate = false;
                if self.string()? > NAME_CHARS_MAX {
                    self.check_name_len()?;
                }
                if self.has_lone_surrogate {
                    return Err(SyntaxError {
                        message: "a field name has half of a surrogate pair".to_owned(),
                    });
                }
                self.skip_blanks();
                if self.peek() != Some(b':') {
                    return Err(self.unexpected("a colon that separates field name and value"));
                }
                self.at += 1;
                self.skip_blanks();
                self.value(depth)?;
                count += 1;
                self.skip_blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.unexpected("',' or '}'")),
                }
                self.skip_blanks();
            }
        }
        self.close(index, count);
        Ok(())
    }

    fn check_name_len(&self) -> Result<(), SyntaxError> {
        let index = self.nodes.len() - 1;
        let document = Document { nodes: self.nodes, side: self.side, source: self.text, is_verbatim: true };
        let chars = Json { document, index }.text().map_or(0, |name| name.chars().count());
        if chars > NAME_CHARS_MAX {
            return Err(SyntaxError {
                message: format!("Name length ({chars}) exceeds the maximum allowed ({NAME_CHARS_MAX})"),
            });
        }
        Ok(())
    }
}

fn hex4(source: &[u8], at: usize) -> Option<u32> {
    let digits = source.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

impl<'a> Json<'a> {
    fn node(&self) -> &'a Node {
        &self.document.nodes[self.index]
    }

    fn at(&self, index: usize) -> Json<'a> {
        Json { document: self.document, index }
    }

    fn after(&self) -> usize {
        let node = self.node();
        if node.kind == Kind::EscapedText { self.index + 1 } else { node.next as usize }
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Whether the places of its nodes are places in the record.
    pub(super) fn is_verbatim(&self) -> bool {
        self.document.is_verbatim
    }

    /// Bytes in the source that it takes.
    pub(super) fn span(&self) -> std::ops::Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// The source text of it.
    pub(super) fn source(&self) -> &'a str {
        &self.document.source[self.span()]
    }

    /// The characters, if it is text.
    pub(super) fn text(&self) -> Option<&'a str> {
        let node = self.node();
        match node.kind {
            Kind::PlainText => Some(&self.document.source[node.start as usize + 1..node.end as usize - 1]),
            Kind::EscapedText => Some(&self.document.side[node.detail as usize..][..node.next as usize]),
            _ => None,
        }
    }

    /// Whether it is null.
    pub(super) fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// Items of an array; nothing of anything else.
    pub(super) fn items(&self) -> impl Iterator<Item = Json<'a>> + use<'a> {
        let this = *self;
        let mut next = this.index + 1;
        let end = if this.kind() == Kind::Array { this.after() } else { next };
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let item = this.at(next);
                next = item.after();
                item
            })
        })
    }

    /// Number of values in it, and keys, itself included.
    pub(super) fn node_count(&self) -> usize {
        self.after() - self.index
    }

    /// Number of items of an array.
    pub(super) fn len(&self) -> usize {
        if matches!(self.kind(), Kind::Array | Kind::Object) { self.node().detail as usize } else { 0 }
    }

    /// Entries of an object as written, duplicates included; nothing of anything else.
    pub(super) fn raw_entries(&self) -> impl Iterator<Item = (Json<'a>, Json<'a>)> + use<'a> {
        let this = *self;
        let mut next = this.index + 1;
        let end = if this.kind() == Kind::Object { this.after() } else { next };
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let key = this.at(next);
                let value = this.at(key.after());
                next = value.after();
                (key, value)
            })
        })
    }

    /// Entries of an object in text order; a key that comes again replaces the value in its first place.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Json<'a>)> + use<'a> {
        let this = *self;
        let mut last_values = (self.len() > KEYS_COMPARED_MAX)
            .then(|| this.raw_entries().map(|(key, value)| (key.name(), value)).collect::<HashMap<_, _>>());
        this.raw_entries().enumerate().filter_map(move |(place, (key, value))| {
            let key = key.name();
            if let Some(last_values) = &mut last_values {
                return last_values.remove(key).map(|value| (key, value));
            }
            if this.raw_entries().take(place).any(|(earlier, _)| earlier.name() == key) {
                return None;
            }
            let again = this.raw_entries().skip(place + 1).filter(|(later, _)| later.name() == key).last();
            Some((key, again.map_or(value, |(_, value)| value)))
        })
    }

    /// The characters of a key.
    fn name(&self) -> &'a str {
        self.text().unwrap_or_default()
    }

    /// The value of a key, the last if there are more. Goes over the nodes by hand, because every field of every struct is
    /// looked up here.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let (mut key, end) = (self.index + 1, self.after());
        let mut found = None;
        while key < end {
            let node = &self.document.nodes[key];
            let is_it = match node.kind {
                Kind::PlainText => {
                    // With its quotes.
                    (node.end - node.start) as usize == name.len() + 2 && self.at(key).name() == name
                }
                _ => self.at(key).name() == name,
            };
            let value = key + 1;
            if is_it {
                found = Some(value);
            }
            key = match &self.document.nodes[value] {
                Node { kind: Kind::EscapedText, .. } => value + 1,
                node => node.next as usize,
            };
        }
        found.map(|value| self.at(value))
    }

    /// Jackson's name of its type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind() {
            Kind::Null => "NULL",
            Kind::True | Kind::False => "BOOLEAN",
            Kind::Integer | Kind::Decimal => "NUMBER",
            Kind::PlainText | Kind::EscapedText => "STRING",
            Kind::Array => "ARRAY",
            Kind::Object => "OBJECT",
        }
    }
}

/// Up to this many keys are compared with each other; beyond it a table is made.
const KEYS_COMPARED_MAX: usize = 16;
