//! Replacement texts of Java's regular expressions: `$1`, `${name}` and `\\` before a character (`Matcher#appendReplacement`).

use api::java_regex::JavaRegex;
use api::{Error, Result};

/// A replacement text, taken apart. What is wrong with it shows only when something is to be replaced, as in Java.
#[derive(Debug)]
pub(super) struct Replacement {
    parts: Vec<Part>,
    fault: Option<Error>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Takes a text apart, for matches of `regex`.
    pub(super) fn parse(text: &str, regex: &JavaRegex) -> Replacement {
        let mut replacement = Replacement { parts: Vec::new(), fault: None };
        replacement.fault = replacement.take_apart(text, regex).err();
        replacement
    }

    /// The text with its first match replaced.
    ///
    /// # Errors
    /// What is wrong with the replacement, with Java's message.
    pub(super) fn replace_first(&self, regex: &JavaRegex, text: &str) -> Result<String> {
        let Some(groups) = regex.captures(text) else { return Ok(text.to_owned()) };
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let Some(Some(whole)) = groups.first() else { return Ok(text.to_owned()) };
        let mut replaced = text[..whole.start].to_owned();
        for part in &self.parts {
            match part {
                Part::Text(literal) => replaced.push_str(literal),
                Part::Group(group) => {
                    if let Some(Some(range)) = groups.get(*group) {
                        replaced.push_str(&text[range.clone()]);
                    }
                }
            }
        }
        replaced.push_str(&text[whole.end..]);
        Ok(replaced)
    }

    fn take_apart(&mut self, text: &str, regex: &JavaRegex) -> Result<()> {
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '\\' => {
                    let escaped = chars.next();
                    self.literal(escaped.ok_or_else(|| illegal("character to be escaped is missing"))?);
                }
                '$' => {
                    let group = match chars.next() {
                        None => Err(illegal("Illegal group reference: group index is missing")),
                        Some('{') => {
                            let mut name = String::new();
                            while let Some(char) = chars.next_if(char::is_ascii_alphanumeric) {
                                name.push(char);
                            }
                            let is_closed = chars.next() == Some('}');
                            named(&name, is_closed, regex)
                        }
                        Some(digit) => {
                            let first =
                                digit.to_digit(10).ok_or_else(|| illegal("Illegal group reference"))?;
                            let mut group = first as usize;
                            // As many digits as still name a group.
                            while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
                                let longer = group * 10 + digit as usize;
                                if longer > regex.group_count() {
                                    break;
                                }
                                group = longer;
                                chars.next();
                            }
                            Ok(group)
                        }
                    }?;
                    if group > regex.group_count() {
                        return Err(Error::bad_record(format!("No group {group}"))
                            .with_java_class("java.lang.IndexOutOfBoundsException"));
                    }
                    self.parts.push(Part::Group(group));
                }
                char => self.literal(char),
            }
        }
        Ok(())
    }

    fn literal(&mut self, char: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(char),
            _ => self.parts.push(Part::Text(char.to_string())),
        }
    }
}

fn named(name: &str, is_closed: bool, regex: &JavaRegex) -> Result<usize> {
    if name.is_empty() || !is_closed {
        return Err(illegal("named capturing group is missing trailing '}'"));
    }
    if name.starts_with(|char: char| char.is_ascii_digit()) {
        return Err(illegal(&format!("capturing group name {{{name}}} starts with digit character")));
    }
    regex.group(name).ok_or_else(|| illegal(&format!("No group with name {{{name}}}")))
}

fn illegal(message: &str) -> Error {
    Error::bad_record(message).with_java_class("java.lang.IllegalArgumentException")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(regex: &str, replacement: &str, text: &str, expected: Result<&str, (&str, &str)>) {
        let regex = JavaRegex::new(regex).unwrap();
        let replaced = Replacement::parse(replacement, &regex).replace_first(&regex, text);
        let replaced = replaced.as_deref().map_err(|error| (error.java_class(), error.message()));
        assert_eq!(replaced, expected);
    }

    /// What Java 17 answered.
    #[test]
    fn replaces_as_java_does() {
        check("(.*)-(\\d+)", "$2-$1", "orders-12", Ok("12-orders"));
        check("(?<n>a+)b*", "${n}\\$z", "aab", Ok("aa$z"));
        check("a|ab", "<$0>", "ab", Ok("<a>b"));
        check("(a)(b)?c", "$2|$1", "ac", Ok("|a"));
        check("(a)", "$12", "a", Ok("a2"));
        let illegal = "java.lang.IllegalArgumentException";
        check("abc", "x$7", "abc", Err(("java.lang.IndexOutOfBoundsException", "No group 7")));
        check("abc", "\\", "abc", Err((illegal, "character to be escaped is missing")));
        check("abc", "$x", "abc", Err((illegal, "Illegal group reference")));
        check("abc", "${q}", "abc", Err((illegal, "No group with name {q}")));
        check("a", "é$", "a", Err((illegal, "Illegal group reference: group index is missing")));
        check("abc", "${1}", "abc", Err((illegal, "capturing group name {1} starts with digit character")));
        check("abc", "${n", "abc", Err((illegal, "named capturing group is missing trailing '}'")));
        check("abc", "${n", "other", Ok("other"));
    }
}
