//! A compiled expression.

use std::fmt;
use std::ops::Range;

use super::translate::translate;

/// A match gives up after this many steps back; one of a sane expression over a name takes some dozens.
const BACKTRACKS_MAX: usize = 100_000;

/// What an expression may compile to.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A compiled `java.util.regex.Pattern`.
#[derive(Clone)]
pub struct JavaRegex {
    source: String,
    /// Anywhere in the text, as `Matcher#find`.
    anywhere: fancy_regex::Regex,
    /// The whole text, as `Matcher#matches`.
    whole: fancy_regex::Regex,
}

/// Why a pattern is none: displays as the message of Java's `PatternSyntaxException`, which is of several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexError {
    message: String,
}

impl RegexError {
    /// `index` is where the fault was noticed; Java leaves it out where that is before the first character.
    pub(super) fn at(description: impl fmt::Display, pattern: &[char], index: Option<usize>) -> RegexError {
        let text: String = pattern.iter().collect();
        let mut message = description.to_string();
        if let Some(index) = index {
            message.push_str(&format!(" near index {index}"));
        }
        message.push('\n');
        message.push_str(&text);
        if let Some(index) = index.filter(|index| *index < pattern.len()) {
            message.push('\n');
            message.extend(std::iter::repeat_n(' ', index));
            message.push('^');
        }
        RegexError { message }
    }
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RegexError {}

impl JavaRegex {
    /// Compiles a pattern (`Pattern#compile`).
    ///
    /// # Errors
    /// With Java's message, or with ours where the pattern is too large or uses what is not supported (`\X`, `\N{...}`).
    pub fn new(pattern: &str) -> Result<JavaRegex, RegexError> {
        let chars: Vec<char> = pattern.chars().collect();
        let translated = translate(&chars)?;
        let compile = |text: String| {
            fancy_regex::RegexBuilder::new(&text)
                .backtrack_limit(BACKTRACKS_MAX)
                .delegate_size_limit(COMPILED_BYTES_MAX)
                .delegate_dfa_size_limit(COMPILED_BYTES_MAX)
                .build()
                .map_err(|error| RegexError::at(format!("Not supported here ({error})"), &chars, None))
        };
        Ok(JavaRegex {
            source: pattern.to_owned(),
            whole: compile(format!(r"\A(?:{translated})\z"))?,
            anywhere: compile(translated)?,
        })
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole text matches (`Matcher#matches`). A match that takes too many steps is none.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text).unwrap_or(false)
    }

    /// The first match within the text (`Matcher#find`): where it and each of its groups are.
    pub fn captures(&self, text: &str) -> Option<Vec<Option<Range<usize>>>> {
        let found = self.anywhere.captures(text).ok().flatten()?;
        Some((0..found.len()).map(|group| found.get(group).map(|found| found.range())).collect())
    }

    /// The number of a named group.
    pub fn group(&self, name: &str) -> Option<usize> {
        self.anywhere.capture_names().position(|other| other == Some(name))
    }

    /// How many groups there are, the whole match not counted (`Matcher#groupCount`).
    pub fn group_count(&self) -> usize {
        self.anywhere.captures_len() - 1
    }
}

impl fmt::Debug for JavaRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JavaRegex").field(&self.source).finish()
    }
}

impl PartialEq for JavaRegex {
    fn eq(&self, other: &JavaRegex) -> bool {
        self.source == other.source
    }
}
