//! Numbers in the configurations of these connectors, which no table checks.

use std::str::FromStr;

use api::{Error, Props, Result};

/// The number under `key`.
///
/// # Errors
/// `message`, with Java's own as its cause.
pub(crate) fn number<N: FromStr>(props: &Props, key: &str, message: &str) -> Result<N> {
    let cause = match props.get(key) {
        None => "Cannot parse null string: null".to_owned(),
        Some(text) => match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => format!("For input string: \"{text}\""),
        },
    };
    let cause = Error::fatal(cause).with_java_class("java.lang.NumberFormatException");
    Err(Error::fatal(message).with_source(cause))
}

/// Java's `Boolean.parseBoolean`.
pub(crate) fn boolean(props: &Props, key: &str) -> bool {
    props.get(key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The configurations of numbered tasks.
pub(crate) fn numbered(props: &Props, tasks_max: usize) -> Vec<Props> {
    let numbered = |task: usize| {
        let mut props = props.clone();
        props.insert("id".to_owned(), task.to_string());
        props
    };
    (0..tasks_max).map(numbered).collect()
}
