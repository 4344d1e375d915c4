//! The login configuration of Java programs: named entries of login modules, as `java.security.auth.login.config` names it.

use std::path::{Path, PathBuf};

use api::{Error, Props, Result};
use protocol::net::sasl::JaasConfig;

use super::properties;

/// The entry that REST's authentication uses.
const ENTRY: &str = "KafkaConnect";

/// The one login module for it.
const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";

/// Our own key for the file; Java has a system property only.
pub(super) const FILE_KEY: &str = "aqueduct.jaas.file";

/// Where Java's scripts take system properties from.
const OPTIONS_VARIABLE: &str = "KAFKA_OPTS";

/// The file of users and passwords that the login configuration names.
///
/// # Errors
/// What is missing or wrong, and where.
pub(super) fn credentials_file(props: &Props) -> Result<PathBuf> {
    let options = std::env::var(OPTIONS_VARIABLE).unwrap_or_default();
    let path = props.get(FILE_KEY).map(|path| path.trim().to_owned()).or_else(|| system_property(&options));
    let path = path.filter(|path| !path.is_empty()).ok_or_else(|| {
        Error::config(format!(
            "REST's basic authentication needs a login configuration with an entry {ENTRY}: name its file by the key {FILE_KEY}, or \
             as for Java by {OPTIONS_VARIABLE}=-Djava.security.auth.login.config=FILE"
        ))
    })?;
    let bytes = properties::read_file(Path::new(&path))
        .map_err(|error| Error::config(format!("login configuration {error}")).with_source(error))?;
    let text = String::from_utf8_lossy(&bytes);
    let in_file = |detail: String| Error::config(format!("login configuration {path}: {detail}"));
    let body = entry(&text, ENTRY).map_err(in_file)?;
    // The reader says nothing of the values, which may be secrets.
    let module = JaasConfig::parse(&body).map_err(|error| in_file(format!("entry {ENTRY}: {error}")))?;
    if module.module != MODULE {
        return Err(in_file(format!(
            "entry {ENTRY}: login module {} is not known here; use {MODULE}",
            module.module
        )));
    }
    let file = module.option("file").map(|file| file.expose().trim()).filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| {
        in_file(format!("entry {ENTRY}: Property Credentials file must be specified (option 'file')"))
    })?;
    Ok(PathBuf::from(file))
}

/// The value of `-Djava.security.auth.login.config=` among a command line's options.
fn system_property(options: &str) -> Option<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in options.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => words.push(String::new()),
            (_, c) => words.last_mut().expect("it begins with one").push(c),
        }
    }
    // The last one counts; a second `=` tells Java to use nothing else. A URL is as good as a path.
    let value =
        words.iter().rev().find_map(|word| word.strip_prefix("-Djava.security.auth.login.config="))?;
    let value = value.strip_prefix('=').unwrap_or(value);
    Some(value.strip_prefix("file://").or_else(|| value.strip_prefix("file:")).unwrap_or(value).to_owned())
}

/// The login modules of an entry: `name { modules };`, comments as in Java.
fn entry(text: &str, wanted: &str) -> std::result::Result<String, String> {
    let text = without_comments(text)?;
    let mut rest = text.as_str();
    let mut names = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if rest.is_empty() {
            let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(format!("it has no entry {wanted} (found: {found})"));
        }
        let (name, after) = rest.split_once('{').ok_or("after an entry's name '{' is expected")?;
        let name = name.trim().trim_matches('"').to_owned();
        let end = outside_quotes(after).find(|(_, c)| *c == '}').map(|(at, _)| at);
        let end = end.ok_or_else(|| format!("entry {name} does not end: '}};' is expected"))?;
        if name == wanted {
            return Ok(after[..end].to_owned());
        }
        names.push(name);
        rest = &after[end + 1..];
    }
}

/// The characters that are not within double quotes.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.char_indices().filter(move |(_, c)| {
        let was_quoted = is_quoted;
        if *c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = was_quoted && *c == '\\' && !is_escaped;
        !was_quoted && *c != '"'
    })
}

/// `//` and `/* */` outside of quotes become blanks.
fn without_comments(text: &str) -> std::result::Result<String, &'static str> {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    while let Some((at, _)) = outside_quotes(&text[from..])
        .find(|(at, c)| *c == '/' && text[from + at + 1..].starts_with(['/', '*']))
    {
        let start = from + at;
        clean.push_str(&text[from..start]);
        clean.push(' ');
        let (end, len) = if text[start..].starts_with("//") { ("\n", 0) } else { ("*/", 2) };
        from = match text[start + 2..].find(end) {
            Some(at) => start + 2 + at + len,
            None if len == 0 => text.len(),
            None => return Err("a comment does not end: '*/' is expected"),
        };
    }
    clean.push_str(&text[from..]);
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_among_javas_options() {
        let find = |options| system_property(options);
        assert_eq!(
            find("-Xmx1g -Djava.security.auth.login.config=/etc/jaas.conf").as_deref(),
            Some("/etc/jaas.conf")
        );
        assert_eq!(find("-Djava.security.auth.login.config==file:/a").as_deref(), Some("/a"));
        assert_eq!(find("\"-Djava.security.auth.login.config=/a b\" -Dx").as_deref(), Some("/a b"));
        assert_eq!(
            find("-Djava.security.auth.login.config=/a -Djava.security.auth.login.config=/b").as_deref(),
            Some("/b")
        );
        assert_eq!(find("-Dx=y"), None);
    }

    #[test]
    fn finds_the_entry() {
        let text = "// KafkaConnect { no };\nOther { a.B required x=\"}\"; };\n/* { */ KafkaConnect {\n  m required file=\"//f\"; // here\n};";
        assert_eq!(entry(text, "KafkaConnect").unwrap().trim(), "m required file=\"//f\";");
        for (text, expected) in [
            ("", "it has no entry KafkaConnect (found: none)"),
            ("Other { x required; };", "it has no entry KafkaConnect (found: Other)"),
            ("KafkaConnect x", "after an entry's name '{' is expected"),
            ("KafkaConnect { m required file=\"}", "entry KafkaConnect does not end: '};' is expected"),
            ("/* x", "a comment does not end: '*/' is expected"),
        ] {
            assert_eq!(entry(text, "KafkaConnect").unwrap_err(), expected);
        }
    }

    #[test]
    fn names_the_users_file_or_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jaas.conf");
        let find = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let props = Props::from_iter([(FILE_KEY.to_owned(), path.display().to_string())]);
            credentials_file(&props).map_err(|error| error.message().to_owned())
        };
        let found = find(&format!("KafkaConnect {{ {MODULE} required file=\"/u.properties\"; }};"));
        assert_eq!(found, Ok(PathBuf::from("/u.properties")));
        for (text, expected) in [
            (
                format!("KafkaConnect {{ {MODULE} required; }};"),
                "Property Credentials file must be specified",
            ),
            (
                "KafkaConnect { com.example.Ldap required; };".to_owned(),
                "login module com.example.Ldap is not known here",
            ),
            (format!("KafkaConnect {{ {MODULE} required password canary; }};"), "option number 1 has no '='"),
        ] {
            let message = find(&text).unwrap_err();
            assert!(message.contains(expected) && message.contains("jaas.conf"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-zA{}\"/*;\n\\\\ ]{0,60}") {
            let _either = entry(&text, "a");
        }
    }
}
