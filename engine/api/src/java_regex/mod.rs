//! Java's regular expressions (`java.util.regex.Pattern`) as far as names need them: topics, environment variables, record topics.
//!
//! ```text
//! pattern ─ translate ─▶ the same expression for `fancy-regex` ─ pattern ─▶ JavaRegex::{matches, captures}
//!              └─ class: bracket classes, escapes, properties
//! ```
//!
//! Flags, quoting, unions and intersections of classes, possessive quantifiers, look-around, back references and Java's meaning of
//! `\d \w \s \h . $` are kept; what is wrong is said in the words of `PatternSyntaxException`. Patterns come from whoever may configure a
//! connector, so their length, their depth, the size of what they compile to and the steps of a match are limited.

mod class;
mod pattern;
mod translate;

pub use pattern::{JavaRegex, RegexError};

#[cfg(test)]
mod tests;
