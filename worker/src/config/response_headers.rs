//! `response.http.headers.config`: rules `[action] [name]:[value]`, comma separated, quoted where a value has a comma.

use hyper::header::{HeaderName, HeaderValue};

use api::{Error, Result};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// What to do.
    pub action: HeaderAction,
    /// With which header.
    pub name: HeaderName,
}

/// What a rule does. Values that the resource itself gives win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderAction {
    /// The one value.
    Set(HeaderValue),
    /// A further value.
    Add(HeaderValue),
    /// As one value, the time of the answer and so many milliseconds.
    SetDate(i64),
    /// The same as a further value.
    AddDate(i64),
}

/// Reads the rules.
///
/// # Errors
/// The first that is malformed, in Java's words.
pub(super) fn parse(text: &str) -> Result<Vec<HeaderRule>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    items(text).iter().map(|item| rule(item.trim())).collect()
}

/// Items between commas; quotes keep a comma within an item and are taken off.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => items.push(String::new()),
            c => items.last_mut().expect("it begins with one").push(c),
        }
    }
    items
}

fn rule(item: &str) -> Result<HeaderRule> {
    let invalid = |detail: String| Error::config(detail);
    let Some((action, header)) = item.split_once(char::is_whitespace) else {
        return Err(invalid(format!(
            "Invalid format of header config '{item}'. Expected: '[action] [header name]:[header value]'"
        )));
    };
    if !["set", "add", "setDate", "addDate"].contains(&action) {
        return Err(invalid(format!(
            "Invalid header config action: '{action}'. Expected one of [set, add, setDate, addDate]"
        )));
    }
    let header = header.trim();
    let malformed = || {
        invalid(format!(
            "Invalid format of header name and header value pair '{header}'. Expected: '[header name]:[header value]'"
        ))
    };
    let (name, value) =
        header.split_once(':').filter(|(_, value)| !value.contains(':')).ok_or_else(malformed)?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.chars().any(char::is_whitespace) {
        return Err(invalid(format!(
            "Invalid header name '{name}'. The '[header name]' cannot contain whitespace"
        )));
    }
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
        invalid(format!("Invalid header name '{name}'. It has characters that HTTP forbids"))
            .with_source(error)
    })?;
    if ["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
        return Err(invalid(format!(
            "Invalid header name '{name}'. It says where an answer ends, and is set by the server alone"
        )));
    }
    let text = || {
        HeaderValue::from_str(value).map_err(|error| {
            invalid(format!("Invalid value of header '{name}'. It has characters that HTTP forbids"))
                .with_source(error)
        })
    };
    let millis = || {
        value.parse::<i64>().map_err(|error| {
            invalid(format!("Invalid value of header '{name}': '{action}' takes milliseconds, not '{value}'"))
                .with_source(error)
        })
    };
    let action = match action {
        "set" => HeaderAction::Set(text()?),
        "add" => HeaderAction::Add(text()?),
        "setDate" => HeaderAction::SetDate(millis()?),
        _ => HeaderAction::AddDate(millis()?),
    };
    Ok(HeaderRule { action, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_action_and_quotes() {
        let rules = parse(
            "set X-Frame-Options:DENY, \"add Cache-Control: no-cache, no-store\", setDate Expires: 315,addDate Last-Modified: -1",
        )
        .unwrap();
        let found: Vec<_> = rules.iter().map(|rule| format!("{} {:?}", rule.name, rule.action)).collect();
        assert_eq!(
            found,
            [
                "x-frame-options Set(\"DENY\")",
                "cache-control Add(\"no-cache, no-store\")",
                "expires SetDate(315)",
                "last-modified AddDate(-1)",
            ]
        );
        assert!(parse(" ").unwrap().is_empty());
    }

    /// Recorded from Java, the last two are ours: Java fails later or not at all.
    #[test]
    fn says_what_is_malformed() {
        for (text, expected) in [
            (
                "foo",
                "Invalid format of header config 'foo'. Expected: '[action] [header name]:[header value]'",
            ),
            ("bad X:y", "Invalid header config action: 'bad'. Expected one of [set, add, setDate, addDate]"),
            ("set X y:z", "Invalid header name 'X y'. The '[header name]' cannot contain whitespace"),
            (
                "set X-y",
                "Invalid format of header name and header value pair 'X-y'. Expected: '[header name]:[header value]'",
            ),
            (
                "set X-y:a:b",
                "Invalid format of header name and header value pair 'X-y:a:b'. Expected: '[header name]:[header value]'",
            ),
            (
                "set X-y: a,, add b:c",
                "Invalid format of header config ''. Expected: '[action] [header name]:[header value]'",
            ),
            ("setDate X-y: abc", "Invalid value of header 'x-y': 'setDate' takes milliseconds, not 'abc'"),
            (
                "set Content-Length:1",
                "Invalid header name 'content-length'. It says where an answer ends, and is set by the server alone",
            ),
            ("set X(y):a", "Invalid header name 'X(y)'. It has characters that HTTP forbids"),
        ] {
            assert_eq!(parse(text).unwrap_err().message(), expected);
        }
    }
}
