//! Java `.properties` files, read exactly as `java.util.Properties#load(InputStream)` reads them: ISO-8859-1, comments,
//! continuation lines, escapes. Where a key stands twice the last one wins.

use std::path::Path;

use api::Props;

/// Larger files are refused: nobody writes one, and a mistaken path (a data file) should fail fast.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a properties file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesError {
    /// The file system said no.
    #[error("{path}: {cause}")]
    Io {
        /// Which file.
        path: String,
        /// Why. Part of the message, so not a source of its own.
        cause: std::io::Error,
    },
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("{path}: larger than {FILE_BYTES_MAX} bytes, which no properties file should be")]
    TooLarge {
        /// Which file.
        path: String,
    },
    /// `\u` is not followed by four hexadecimal digits.
    #[error("Malformed \\uxxxx encoding. (logical line {line})")]
    MalformedEscape {
        /// Which line that holds a key, counted from 1.
        line: usize,
    },
}

/// Reads a file, refusing very large ones.
///
/// # Errors
/// When it can't be read or is too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>, PropertiesError> {
    let name = || path.display().to_string();
    let io = |cause| PropertiesError::Io { path: name(), cause };
    // A pipe or device has length 0 here and is read to its end.
    if std::fs::metadata(path).map_err(io)?.len() > FILE_BYTES_MAX {
        return Err(PropertiesError::TooLarge { path: name() });
    }
    std::fs::read(path).map_err(io)
}

/// Parses the bytes of a properties file.
///
/// # Errors
/// [`PropertiesError::MalformedEscape`] only; everything else is a property to Java.
pub fn parse(bytes: &[u8]) -> Result<Props, PropertiesError> {
    Ok(entries(bytes)?.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

/// Parses text that was not decoded as ISO-8859-1 (`Properties#load(Reader)`).
///
/// # Errors
/// As [`parse`].
pub fn parse_text(text: &str) -> Result<Props, PropertiesError> {
    let mut escaped = String::with_capacity(text.len());
    let mut after_backslash = false;
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
            after_backslash = c == '\\' && !after_backslash;
            continue;
        }
        // A backslash before it means nothing, and would turn the escape into something else.
        if std::mem::take(&mut after_backslash) {
            escaped.pop();
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    parse(escaped.as_bytes())
}

/// One property and where it stands. May be a secret, so it does not print.
#[derive(Clone)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The line that it begins on, counted from 1.
    pub line: usize,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("line", &self.line).finish_non_exhaustive()
    }
}

/// Every property of a file in its order, also those that a later one of the same key replaces.
///
/// # Errors
/// As [`parse`].
pub fn entries(bytes: &[u8]) -> Result<Vec<Entry>, PropertiesError> {
    let mut entries = Vec::new();
    let mut lines = LogicalLines { bytes, at: 0, line: Vec::new(), begins_at: 0 };
    let (mut counted, mut line) = (0, 1);
    while lines.advance() {
        line += line_ends(&bytes[counted..lines.begins_at]);
        counted = lines.begins_at;
        let (key, value) = split(&lines.line);
        let malformed = || PropertiesError::MalformedEscape { line: entries.len() + 1 };
        let (key, value) = (unescape(key).ok_or_else(malformed)?, unescape(value).ok_or_else(malformed)?);
        entries.push(Entry { key, value, line });
    }
    Ok(entries)
}

/// `\n`, `\r` and `\r\n` each end one line; the last of the three is never cut in two here.
fn line_ends(bytes: &[u8]) -> usize {
    let is_end =
        |(at, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|item| is_end(*item)).count()
}

/// Lines with continuations joined, comments and blank lines left out (`Properties.LineReader`).
struct LogicalLines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: Vec<u8>,
    /// Where the line's first byte is that counts.
    begins_at: usize,
}

impl LogicalLines<'_> {
    /// Reads the next line into `self.line`; false at the end.
    fn advance(&mut self) -> bool {
        self.line.clear();
        let mut skips_blanks = true;
        let mut is_continued = false;
        let mut after_backslash = false;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            let ends_line = matches!(byte, b'\n' | b'\r');
            if skips_blanks {
                if is_blank(byte) || (ends_line && !is_continued) {
                    continue;
                }
                skips_blanks = false;
                is_continued = false;
            }
            if self.line.is_empty() && matches!(byte, b'#' | b'!') {
                self.skip_comment();
                skips_blanks = true;
                continue;
            }
            if !ends_line {
                if self.line.is_empty() {
                    self.begins_at = self.at - 1;
                }
                self.line.push(byte);
                after_backslash = byte == b'\\' && !after_backslash;
                continue;
            }
            if self.line.is_empty() {
                skips_blanks = true;
                continue;
            }
            if !after_backslash {
                return true;
            }
            self.line.pop();
            skips_blanks = true;
            is_continued = true;
            after_backslash = false;
            if byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n') {
                self.at += 1;
            }
        }
        if after_backslash {
            self.line.pop();
            // A lone backslash at the end of the file is a line, an empty one.
            return true;
        }
        !self.line.is_empty()
    }

    fn skip_comment(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if matches!(byte, b'\n' | b'\r') {
                return;
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

/// Key and value of a line, both still escaped: the key ends at the first unescaped `=`, `:` or blank.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut after_backslash = false;
    let key_len = line
        .iter()
        .position(|&byte| {
            let ends_key = !after_backslash && (matches!(byte, b'=' | b':') || is_blank(byte));
            after_backslash = byte == b'\\' && !after_backslash;
            ends_key
        })
        .unwrap_or(line.len());
    let (key, mut rest) = line.split_at(key_len);
    let mut separator_seen = false;
    while let Some((&first, tail)) = rest.split_first() {
        let is_separator = matches!(first, b'=' | b':') && !separator_seen;
        if !is_blank(first) && !is_separator {
            break;
        }
        separator_seen |= is_separator;
        rest = tail;
    }
    (key, rest)
}

/// Resolves escapes; `None` for a malformed `\u`. Goes through UTF-16 because that is what `\u` escapes are written in.
fn unescape(text: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        let Some(escaped) = bytes.next() else { break };
        units.push(match escaped {
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(bytes.next()?).to_digit(16)?;
                    unit = unit << 4 | digit as u16;
                }
                unit
            }
            b't' => 0x09,
            b'n' => 0x0a,
            b'f' => 0x0c,
            b'r' => 0x0d,
            other => other.into(),
        });
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: &[(&str, &str)]) {
        let props = parse(text).unwrap();
        let found: Vec<_> = props.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    // Expected values were taken from java.util.Properties (JDK 17).
    #[test]
    fn separators_and_blanks() {
        check(b"a=1\nb:2\nc 3\nd\te\n", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "e")]);
        check(b"  a  =  1 2  \n", &[("a", "1 2  ")]);
        check(b"a = = 1\nb : = 2", &[("a", "= 1"), ("b", "= 2")]);
        check(b"key\nempty=\n=value\n", &[("key", ""), ("empty", ""), ("", "value")]);
        check(b"bootstrap.servers=a:9092,b:9092", &[("bootstrap.servers", "a:9092,b:9092")]);
        check(b"", &[]);
    }

    #[test]
    fn comments_and_blank_lines() {
        check(
            b"# a=1\n  ! b=2\n\n \t\nc=3 # not a comment\n#x\\\nd=4",
            &[("c", "3 # not a comment"), ("d", "4")],
        );
        check(b"a=1\r\n\r\nb=2\rc=3", &[("a", "1"), ("b", "2"), ("c", "3")]);
    }

    #[test]
    fn continuation_lines() {
        check(b"a=1,\\\n   2,\\\r\n\t3\nb=x\\\\\nc=4", &[("a", "1,2,3"), ("b", "x\\"), ("c", "4")]);
        // A comment sign on a continuation line is text; a blank continuation line ends the value.
        check(b"a=1\\\n#2\nb=3\\\n\nc=4", &[("a", "1#2"), ("b", "3"), ("c", "4")]);
        check(b"a=1\\", &[("a", "1")]);
    }

    #[test]
    fn escapes() {
        check(br"a\ b\=c\:d=e\tf\ng\\h\q\=", &[("a b=c:d", "e\tf\ng\\hq=")]);
        check(br"a=\u00e4\u20AC\uD83D\uDE00", &[("a", "ä€😀")]);
        check(br"path=C\:\\temp", &[("path", r"C:\temp")]);
    }

    #[test]
    fn bytes_are_latin_1() {
        check(b"a=\xe4\xff", &[("a", "äÿ")]);
        check("a=ä".as_bytes(), &[("a", "Ã¤")]);
    }

    #[test]
    fn text_keeps_what_latin_1_lacks() {
        for (text, expected) in
            [("k=ä€😀", "ä€😀"), ("k=\\ä\\\\ä", "ä\\ä"), ("k=a\\\n ä", "aä"), ("k=\\u00e4ä", "ää")]
        {
            assert_eq!(parse_text(text).unwrap().get("k").map(String::as_str), Some(expected), "{text}");
        }
    }

    #[test]
    fn entries_know_their_lines() {
        let found = entries(b"# c\n\na=1\r\n  b=\\\r\n  2\n\rc=3\na=4").unwrap();
        let found: Vec<_> = found.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(found, [("a", 3), ("b", 4), ("c", 7), ("a", 8)]);
    }

    #[test]
    fn the_last_of_two_wins() {
        check(b"a=1\nb=2\na=3", &[("a", "3"), ("b", "2")]);
    }

    #[test]
    fn names_the_line_of_a_malformed_escape() {
        for text in [&b"a=1\nb=\\u12"[..], b"a=1\nb=\\u12g4", b"a=1\n\\uzzzz=1"] {
            let message = parse(text).unwrap_err().to_string();
            assert_eq!(message, "Malformed \\uxxxx encoding. (logical line 2)");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = parse(&bytes);
        }

        #[test]
        fn escaped_text_comes_back(key in "\\PC{1,20}", value in "[ -~äöü\t\n\r€😀\\\\:=#!]{0,40}") {
            let escape = |text: &str| -> String {
                text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
            };
            let text = format!("{}={}\n", escape(&key), escape(&value));
            let props = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(props.get(&key), Some(&value));
        }
    }
}
