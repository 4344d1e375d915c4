//! Text as tokens: delimiters, and the runs between them.

/// What ends a run, unless it is escaped.
const DELIMITERS: &[u8] = b":,{}[]\"";

/// A text and a place in it. A token that was looked at and not taken is kept.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    next: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Tokens<'a> {
        Tokens { text, at: 0, next: None }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.is_some() || self.at < self.text.len()
    }

    /// A place to come back to. Blank tokens that were passed over on the way to the next one lie before it.
    pub(super) fn mark(&self) -> usize {
        self.at - self.next.map_or(0, str::len)
    }

    pub(super) fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.next = None;
    }

    /// The next token; empty at the end.
    pub(super) fn take(&mut self) -> &'a str {
        match self.next.take() {
            Some(token) => token,
            None => self.scan(),
        }
    }

    /// The text of the next `count` tokens; `None`, with nothing taken, when there are fewer.
    pub(super) fn take_many(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.take();
        }
        Some(&self.text[start..self.at])
    }

    /// Takes the next token if it is `expected`; blanks around it do not count, and blank tokens before it are passed over.
    pub(super) fn take_if(&mut self, expected: &str) -> bool {
        if self.next.is_none() {
            if !self.has_next() {
                return false;
            }
            self.next = Some(self.scan());
        }
        while self.next.is_some_and(|token| trim(token).is_empty()) && self.at < self.text.len() {
            self.next = Some(self.scan());
        }
        let found = self.next.is_some_and(|token| trim(token) == expected);
        if found {
            self.next = None;
        }
        found
    }

    fn scan(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut is_escaped = false;
        while let Some(byte) = bytes.get(self.at) {
            if DELIMITERS.contains(byte) && !is_escaped {
                if self.at == start {
                    self.at += 1;
                }
                break;
            }
            is_escaped = *byte == b'\\' && !is_escaped;
            self.at += 1;
        }
        &self.text[start..self.at]
    }
}

/// `String#trim`: without the control characters and blanks at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_end_runs_unless_escaped() {
        let mut tokens = Tokens::of(r#"a\:b:"c\\"d"#);
        let mut found = Vec::new();
        while tokens.has_next() {
            found.push(tokens.take());
        }
        assert_eq!(found, [r"a\:b", ":", "\"", r"c\\", "\"", "d"]);
    }

    #[test]
    fn what_was_only_looked_at_comes_again() {
        let mut tokens = Tokens::of("  [ 1");
        assert!(!tokens.take_if("{"));
        let mark = tokens.mark();
        assert!(tokens.take_if("["));
        tokens.rewind(mark);
        assert_eq!(tokens.take(), "[");
        assert_eq!(tokens.take_many(2), None);
        assert_eq!(tokens.take_many(1), Some(" 1"));
    }
}
