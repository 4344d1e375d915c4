//! Paths to fields (KIP-821): a name (V1), or steps with dots between them (V2).

use api::config_def::{Config, ConfigKey, ConfigType, Default, Importance, validators};
use api::{Error, Result};

const SYNTAX_VERSION: &str = "field.syntax.version";

/// The steps to a field, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transform) struct FieldPath {
    steps: Vec<String>,
}

/// The key that says how paths are written.
pub(in crate::transform) fn syntax_version_key() -> ConfigKey {
    ConfigKey::new(
        SYNTAX_VERSION,
        ConfigType::String,
        Default::Value("V1"),
        Importance::High,
        "How the field is named: V1 takes the text as the name of one field of the record; in V2 dots separate the fields on the way to a \
         nested one, and a name that has dots itself stands in backticks.",
    )
    .checked(|value| validators::one_of_any_case(value, &["V1", "V2"]))
}

impl FieldPath {
    /// The path that `text` is under the settings of a transform.
    ///
    /// # Errors
    /// For a backtick without its counterpart.
    pub(in crate::transform) fn of(config: &Config, text: &str) -> Result<FieldPath> {
        if config.string(SYNTAX_VERSION).eq_ignore_ascii_case("V2") {
            return FieldPath::nested(text);
        }
        Ok(FieldPath { steps: vec![text.to_owned()] })
    }

    /// The steps to the struct or object that has the field, and the name of the field there. A path of no step, which is what an empty
    /// text is in V2, leads to nothing.
    pub(in crate::transform) fn steps(&self) -> Option<(&[String], &str)> {
        let (last, before) = self.steps.split_last()?;
        Some((before, last))
    }

    /// Takes a path of version 2 apart (`SingleFieldPath#buildFieldPathV2`). A backtick closes a step only before a dot or at the end,
    /// and only without a backslash before it.
    fn nested(text: &str) -> Result<FieldPath> {
        let mut steps = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let (step, end) = if text.as_bytes()[at] == b'`' {
                quoted_step(text, at)?
            } else {
                let end = text[at..].find('.').map_or(text.len(), |dot| at + dot);
                (text[at..end].to_owned(), end)
            };
            steps.push(step);
            at = end + 1;
        }
        if text.ends_with('.') {
            steps.push(String::new());
        }
        Ok(FieldPath { steps })
    }
}

/// The step that begins with the backtick at `open`, and where it ends: at a dot or the end of the text.
fn quoted_step(text: &str, open: usize) -> Result<(String, usize)> {
    let incomplete = || {
        // Java counts UTF-16 units.
        let position = text[..open].encode_utf16().count();
        Error::config(format!(
            "Incomplete backtick pair in path: [{text}], consider adding a backslash before backtick at position {position} to escape it"
        ))
    };
    let mut step = String::new();
    let mut start = open + 1;
    let mut from = start;
    loop {
        let close = from + text[from..].find('`').ok_or_else(incomplete)?;
        let is_escaped = text.as_bytes()[close - 1] == b'\\';
        let after = close + 1;
        match (text.as_bytes().get(after), is_escaped) {
            (None, true) => return Err(incomplete()),
            (None | Some(b'.'), false) => {
                step.push_str(&text[start..close]);
                return Ok((step, after));
            }
            (Some(b'.'), true) => {
                step.push_str(&text[start..close - 1]);
                step.push('`');
                start = after;
            }
            (Some(_), _) => {}
        }
        from = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(FieldPath::nested(text).unwrap().steps, expected, "{text}");
    }

    #[test]
    fn steps_are_separated_by_dots() {
        check("", &[]);
        check("foo", &["foo"]);
        check("foo.bar.baz", &["foo", "bar", "baz"]);
        check("foo.", &["foo", ""]);
        check(".", &["", ""]);
        check("..foo", &["", "", "foo"]);
    }

    #[test]
    fn backticks_enclose_names_with_dots() {
        check("`foo.bar`.baz", &["foo.bar", "baz"]);
        check("foo.`bar.baz`", &["foo", "bar.baz"]);
        check("`foo.`", &["foo."]);
        check("``.foo", &["", "foo"]);
        check("foo.``", &["foo", ""]);
        check("`foo`.", &["foo", ""]);
        check("fo`o.b`ar", &["fo`o", "b`ar"]);
        check("`foo`bar.baz`", &["foo`bar.baz"]);
        check("`fo\\`o.bar`", &["fo\\`o.bar"]);
        check("`foo\\`.bar`.baz", &["foo`.bar", "baz"]);
        check("`ü.ä`.ö", &["ü.ä", "ö"]);
    }

    #[test]
    fn a_backtick_alone_is_refused_with_its_position() {
        let message = |text: &str| FieldPath::nested(text).unwrap_err().message().to_owned();
        assert_eq!(
            message("foo.`bar"),
            "Incomplete backtick pair in path: [foo.`bar], consider adding a backslash before backtick at position 4 to escape it"
        );
        assert_eq!(
            message("😀.`bar\\`"),
            "Incomplete backtick pair in path: [😀.`bar\\`], consider adding a backslash before backtick at position 3 to escape it"
        );
        assert!(message("`").contains("at position 0"));
    }
}
