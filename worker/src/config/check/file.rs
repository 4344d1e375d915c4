//! A configuration file with the place of each key.

use std::collections::HashMap;

use api::Props;

use super::Finding;
use crate::config::{NewConnector, connector_file, properties};

/// Keys, values and lines of a file. Holds secrets, so it does not print.
#[derive(Clone)]
pub struct LocatedFile {
    /// What it configures.
    pub props: Props,
    /// Whether that is a connector, not a worker.
    pub is_connector: bool,
    lines: HashMap<String, usize>,
    /// What is to be said of its form.
    pub findings: Vec<Finding>,
}

impl std::fmt::Debug for LocatedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocatedFile").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// Why a file is neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl LocatedFile {
    /// Reads a worker's properties, or a connector's configuration in any of its forms. `path` is for messages.
    ///
    /// # Errors
    /// The form is none of them.
    pub fn parse(bytes: &[u8], path: &str) -> Result<LocatedFile, Malformed> {
        let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if begins == Some(&b'{') { json(bytes, path) } else { of_properties(bytes, path) }
    }

    /// The line that a key stands on.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.lines.get(key).copied()
    }
}

fn json(bytes: &[u8], path: &str) -> Result<LocatedFile, Malformed> {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        return Err(Malformed { line: Some(error.line()), message: format!("this is not JSON: {error}") });
    }
    let malformed =
        |error: connector_file::ConnectorFileError| Malformed { line: None, message: error.to_string() };
    let NewConnector { config, .. } = connector_file::parse(bytes, path).map_err(malformed)?;
    let text = String::from_utf8_lossy(bytes);
    let lines = config.keys().filter_map(|key| Some((key.clone(), line_of_key(&text, key)?))).collect();
    Ok(LocatedFile { props: config, is_connector: true, lines, findings: Vec::new() })
}

/// Where a JSON object has a key: its text in quotes, a colon behind it.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let quoted = serde_json::to_string(key).ok()?;
    let at = text
        .match_indices(&quoted)
        .find(|(at, _)| text[at + quoted.len()..].trim_start().starts_with(':'))?
        .0;
    Some(text[..at].matches('\n').count() + 1)
}

fn of_properties(bytes: &[u8], path: &str) -> Result<LocatedFile, Malformed> {
    let malformed = |message: String| Malformed { line: None, message };
    let entries = properties::entries(bytes).map_err(|error| malformed(error.to_string()))?;
    let (mut props, mut lines, mut findings) = (Props::new(), HashMap::new(), Vec::new());
    for properties::Entry { key, value, line } in entries {
        if let Some(before) = lines.insert(key.clone(), line) {
            let message = format!("'{key}' stands on line {before} already; this one counts");
            findings.push(Finding { line: Some(line), is_error: false, message });
        }
        props.insert(key, value);
    }
    let is_connector = props.contains_key("connector.class") || props.contains_key("name");
    if is_connector && !props.contains_key("name") {
        let error = connector_file::ConnectorFileError::NameMissing { path: path.to_owned() };
        findings.push(Finding { line: None, is_error: true, message: error.to_string() });
    }
    Ok(LocatedFile { props, is_connector, lines, findings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_form() {
        for text in [
            "# c\nname=c\n\ntopics=t",
            "{\n\"name\":\"c\",\n\n \"topics\" : \"t\"}",
            "{\"name\":\n\"c\",\"config\":{\n\n\"topics\":\"t\"}}",
        ] {
            let file = LocatedFile::parse(text.as_bytes(), "f").unwrap();
            assert_eq!(
                (file.is_connector, file.line("topics"), file.line("x")),
                (true, Some(4), None),
                "{text}"
            );
        }
        assert!(!LocatedFile::parse(b"bootstrap.servers=a:1", "f").unwrap().is_connector);
    }

    #[test]
    fn forms_that_are_none_say_where() {
        let error = LocatedFile::parse(b"{\n\"a\": }", "f").unwrap_err();
        assert_eq!(error.line, Some(2));
        assert!(LocatedFile::parse(b"{\"a\":\"b\"}", "f").unwrap_err().message.contains("mandatory 'name'"));
        assert!(LocatedFile::parse(b"a=\\u12", "f").unwrap_err().message.contains("logical line 1"));
        let twice = LocatedFile::parse(b"a=1\nb=2\na=3", "f").unwrap();
        assert_eq!(twice.findings.len(), 1);
        assert_eq!(twice.props["a"], "3");
    }
}
