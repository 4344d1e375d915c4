//! From Java's syntax to that of `fancy-regex`: groups, quantifiers, flags. Errors are noticed where Java's parser notices them,
//! because its message names the place.

use super::class;
use super::pattern::RegexError;

/// Longer patterns are refused.
const CHARS_MAX: usize = 10_000;

/// Groups and classes within each other.
pub(super) const DEPTH_MAX: usize = 100;

/// Any of Java's line terminators.
const LINE_END: &str = r"\n\r\x{85}\x{2028}\x{2029}";

/// Inline flags that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`.
    pub(super) ignores_case: bool,
    /// `U`.
    pub(super) is_unicode: bool,
    is_multiline: bool,
    has_dot_all: bool,
    has_comments: bool,
    has_unix_lines: bool,
}

/// Reads a pattern.
pub(super) struct Reader<'a> {
    pub(super) pattern: &'a [char],
    /// Next character.
    pub(super) at: usize,
    pub(super) flags: Flags,
    /// Names of the groups opened so far.
    groups: Vec<Option<String>>,
    /// Within `\Q...\E`.
    is_quoted: bool,
    pub(super) depth: usize,
}

/// The same expression for `fancy-regex`.
pub(super) fn translate(pattern: &[char]) -> Result<String, RegexError> {
    if pattern.len() > CHARS_MAX {
        return Err(RegexError::at(format!("Longer than {CHARS_MAX} characters"), &[], None));
    }
    let mut reader =
        Reader { pattern, at: 0, flags: Flags::default(), groups: Vec::new(), is_quoted: false, depth: 0 };
    let translated = reader.alternatives()?;
    match reader.peek() {
        None => Ok(translated),
        // Java is one character behind when it notices.
        Some(_) => Err(RegexError::at("Unmatched closing ')'", pattern, reader.at.checked_sub(1))),
    }
}

impl Reader<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    pub(super) fn takes(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        self.at += usize::from(is_next);
        is_next
    }

    /// The error noticed at the last character that was read.
    pub(super) fn fault(&self, description: impl std::fmt::Display) -> RegexError {
        RegexError::at(description, self.pattern, self.at.checked_sub(1))
    }

    pub(super) fn enter(&mut self) -> Result<(), RegexError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.fault("Nested too deeply")) } else { Ok(()) }
    }

    /// Up to the end of the group.
    fn alternatives(&mut self) -> Result<String, RegexError> {
        self.enter()?;
        let mut out = String::new();
        loop {
            match self.skip_to_atom() {
                None => break,
                Some(')') if !self.is_quoted => break,
                Some('|') if !self.is_quoted => {
                    self.at += 1;
                    out.push('|');
                }
                Some(_) => {
                    let atom = self.atom()?;
                    let quantified = self.quantified(atom)?;
                    out.push_str(&quantified);
                }
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    /// The next character, after the marks of quoting and, with flag `x`, blanks and comments.
    fn skip_to_atom(&mut self) -> Option<char> {
        loop {
            let next = self.peek()?;
            let after = self.pattern.get(self.at + 1);
            if next == '\\' && after == Some(&'E') && self.is_quoted {
                self.is_quoted = false;
                self.at += 2;
            } else if self.is_quoted {
                return Some(next);
            } else if next == '\\' && after == Some(&'Q') {
                self.is_quoted = true;
                self.at += 2;
            } else if self.flags.has_comments && (next.is_ascii_whitespace() || next == '\u{b}') {
                self.at += 1;
            } else if self.flags.has_comments && next == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else {
                return Some(next);
            }
        }
    }

    fn atom(&mut self) -> Result<String, RegexError> {
        let Some(first) = self.next() else { return Ok(String::new()) };
        if self.is_quoted {
            return Ok(self.literal(first));
        }
        Ok(match first {
            '(' => self.group()?,
            '[' => {
                let class = class::bracketed(self)?;
                self.cased(&class)
            }
            '\\' => class::escape(self)?,
            '*' | '+' | '?' => return Err(self.fault(format!("Dangling meta character '{first}'"))),
            '{' => {
                self.at += 1;
                return Err(self.fault("Illegal repetition"));
            }
            '.' if self.flags.has_dot_all => r"(?s:.)".to_owned(),
            '.' if self.flags.has_unix_lines => r"[^\n]".to_owned(),
            '.' => format!("[^{LINE_END}]"),
            '^' if self.flags.is_multiline => "(?m:^)".to_owned(),
            '^' => r"\A".to_owned(),
            '$' if self.flags.is_multiline => format!(r"(?=[{LINE_END}]|\z)"),
            '$' => end_of_input(),
            other => self.literal(other),
        })
    }

    /// An atom with what repeats it.
    fn quantified(&mut self, mut atom: String) -> Result<String, RegexError> {
        let is_assertion = ["(?=", "(?!", "(?<=", "(?<!", "(?m:^)"].iter().any(|open| atom.starts_with(open))
            || [r"\A", r"\z", r"\b", r"\B"].contains(&atom.as_str());
        loop {
            if self.skip_to_atom().is_none() || self.is_quoted {
                return Ok(atom);
            }
            let count = match self.peek() {
                Some(sign @ ('*' | '+' | '?')) => {
                    self.at += 1;
                    sign.to_string()
                }
                Some('{') => self.counted()?,
                _ => return Ok(atom),
            };
            if is_assertion {
                // It takes nothing, so once is as good as many times.
                let _ = self.takes('+') || self.takes('?');
                return Ok(if matches!(count.as_bytes(), [b'*' | b'?'] | [b'{', b'0', ..]) {
                    String::new()
                } else {
                    atom
                });
            }
            atom = if self.takes('+') {
                format!("(?>(?:{atom}){count})")
            } else if self.takes('?') {
                format!("(?:{atom}){count}?")
            } else {
                format!("(?:{atom}){count}")
            };
            // Java lets a counted repetition follow another one, and nothing else.
            if self.peek() != Some('{') {
                return Ok(format!("(?:{atom})"));
            }
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`.
    fn counted(&mut self) -> Result<String, RegexError> {
        self.at += 2;
        if !self.pattern.get(self.at - 1).is_some_and(char::is_ascii_digit) {
            return Err(self.fault("Illegal repetition"));
        }
        self.at -= 1;
        let min = self.number()?;
        let (count, is_fine) = if self.takes(',') {
            if self.peek() == Some('}') {
                (format!("{{{min},}}"), true)
            } else {
                let max = self.number()?;
                (format!("{{{min},{max}}}"), min <= max)
            }
        } else {
            (format!("{{{min}}}"), true)
        };
        if self.next() != Some('}') {
            return Err(self.fault("Unclosed counted closure"));
        }
        if is_fine { Ok(count) } else { Err(self.fault("Illegal repetition range")) }
    }

    fn number(&mut self) -> Result<i32, RegexError> {
        let mut number = 0_i32;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            let next = number.checked_mul(10).and_then(|number| number.checked_add_unsigned(digit));
            number = next.ok_or_else(|| self.fault("Illegal repetition range"))?;
        }
        Ok(number)
    }

    fn group(&mut self) -> Result<String, RegexError> {
        let outer = self.flags;
        if !self.takes('?') {
            self.groups.push(None);
            return self.rest_of_group("(", outer);
        }
        let open = match self.next() {
            Some(sign @ (':' | '=' | '!' | '>')) => format!("(?{sign}"),
            Some('<') => match self.next() {
                Some(sign @ ('=' | '!')) => format!("(?<{sign}"),
                first => {
                    if !first.is_some_and(|c| c.is_ascii_alphabetic()) {
                        return Err(self.fault("capturing group name does not start with a Latin letter"));
                    }
                    let name = self.group_name(first)?;
                    if self.groups.iter().flatten().any(|other| *other == name) {
                        return Err(self.fault(format!("Named capturing group <{name}> is already defined")));
                    }
                    self.groups.push(Some(name.clone()));
                    format!("(?<{name}>")
                }
            },
            _ => {
                self.at -= 1;
                if self.inline_flags()? {
                    // They hold up to the end of the group around them.
                    return Ok(String::new());
                }
                "(?:".to_owned()
            }
        };
        self.rest_of_group(&open, outer)
    }

    fn rest_of_group(&mut self, open: &str, outer: Flags) -> Result<String, RegexError> {
        let inner = self.alternatives()?;
        if self.next() != Some(')') {
            return Err(self.fault("Unclosed group"));
        }
        self.flags = outer;
        Ok(format!("{open}{inner})"))
    }

    /// Up to the `>`.
    pub(super) fn group_name(&mut self, first: Option<char>) -> Result<String, RegexError> {
        let mut name: String = first.into_iter().collect();
        loop {
            match self.next() {
                Some('>') => return Ok(name),
                Some(c) if c.is_ascii_alphanumeric() => name.push(c),
                _ => return Err(self.fault("named capturing group is missing trailing '>'")),
            }
        }
    }

    /// True for `(?i)`, false for `(?i:`, whose group is still to come.
    fn inline_flags(&mut self) -> Result<bool, RegexError> {
        let mut on = true;
        loop {
            match self.next() {
                Some('-') if on => on = false,
                Some('i') => self.flags.ignores_case = on,
                Some('m') => self.flags.is_multiline = on,
                Some('s') => self.flags.has_dot_all = on,
                Some('x') => self.flags.has_comments = on,
                Some('d') => self.flags.has_unix_lines = on,
                Some('U') => self.flags.is_unicode = on,
                Some('u') => {}
                Some(')') => return Ok(true),
                Some(':') => return Ok(false),
                _ => return Err(self.fault("Unknown inline modifier")),
            }
        }
    }

    /// A reference to a group by number; one to a group that is not open yet never matches.
    pub(super) fn back_reference(&mut self, first: u32) -> String {
        let mut number = first as usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = number * 10 + digit as usize;
            if longer > self.groups.len() {
                break;
            }
            number = longer;
            self.at += 1;
        }
        if number > self.groups.len() { "(?!)".to_owned() } else { self.cased(&format!(r"(?:\{number})")) }
    }

    /// A reference to a group by name.
    pub(super) fn named_reference(&mut self) -> Result<String, RegexError> {
        if !self.takes('<') {
            self.at += 1;
            return Err(self.fault("\\k is not followed by '<' for named capturing group"));
        }
        let first = self.next();
        if !first.is_some_and(|c| c.is_ascii_alphabetic()) {
            return Err(self.fault("capturing group name does not start with a Latin letter"));
        }
        let name = self.group_name(first)?;
        if !self.groups.iter().flatten().any(|other| *other == name) {
            return Err(self.fault(format!("named capturing group <{name}> does not exist")));
        }
        Ok(self.cased(&format!(r"\k<{name}>")))
    }

    pub(super) fn literal(&self, c: char) -> String {
        self.cased(&class::literal(c))
    }

    pub(super) fn cased(&self, text: &str) -> String {
        if self.flags.ignores_case { format!("(?i:{text})") } else { text.to_owned() }
    }
}

/// `$` and `\Z`: also before a line terminator that ends the text.
pub(super) fn end_of_input() -> String {
    format!(r"(?=(?:\r\n|[{LINE_END}])?\z)")
}
