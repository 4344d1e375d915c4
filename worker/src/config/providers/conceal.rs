//! The answer of `config/validate` without what variables stand for: whoever may ask need not be one who may know.

use std::borrow::Cow;

use api::config_def::HIDDEN;
use serde_json::Value;

use super::variables::contains_variables;
use crate::config::{RawConfig, Report};
use crate::redact;

/// A report on the `resolved` form of `raw`, as it may be shown: with the variables put back. Java shows the values.
pub(crate) fn concealed(mut report: Report, raw: &RawConfig, resolved: &RawConfig) -> Value {
    put_back(&mut report, raw, resolved);
    let mut shown = serde_json::to_value(report).unwrap_or(Value::Null);
    hide(&mut shown);
    shown
}

/// A value may have become the name of something, such as that of a transform with its keys and heading.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = redact::hide(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn put_back(report: &mut Report, raw: &RawConfig, resolved: &RawConfig) {
    let given = |config: &'_ RawConfig, key: &str| config.get(key).cloned().flatten();
    if let Some(class) = given(raw, "connector.class").filter(|class| contains_variables(class)) {
        report.name = class;
    }
    for found in report.configs.iter_mut().map(|entry| &mut entry.value) {
        let text = given(raw, &found.name).filter(|text| contains_variables(text));
        if let (Some(text), Some(value)) =
            (&text, given(resolved, &found.name).filter(|value| !value.is_empty()))
        {
            for message in &mut found.errors {
                // Too short a value to be recognised anywhere else.
                let quoted = format!("Invalid value {value} for configuration");
                *message = message.replace(&quoted, &format!("Invalid value {text} for configuration"));
            }
        }
        if let (Some(text), Some(value)) = (text, &mut found.value)
            && value != HIDDEN
        {
            *value = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Entry, Found};

    #[test]
    fn values_become_variables_again() {
        let config = |entries: &[(&str, &str)]| -> RawConfig {
            entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
        };
        let raw = config(&[
            ("file", "/a/${f:/p:k}"),
            ("tasks.max", "${f:/p:n}"),
            ("password", "${f:/p:w}"),
            ("topic", "t"),
        ]);
        let resolved = config(&[("file", "/a/b"), ("tasks.max", "o"), ("password", "w"), ("topic", "t")]);
        let entry = |name: &str, value: Option<&str>, errors: &[&str]| {
            let errors = errors.iter().map(|error| (*error).to_owned()).collect();
            let found =
                Found { name: name.to_owned(), value: value.map(str::to_owned), errors, ..Found::default() };
            Entry { definition: None, value: found }
        };
        let mut report = Report {
            name: "c".to_owned(),
            error_count: 1,
            groups: Vec::new(),
            configs: vec![
                entry("file", Some("/a/b"), &[]),
                entry(
                    "tasks.max",
                    None,
                    &["Invalid value o for configuration tasks.max: Not a number of type INT"],
                ),
                entry("password", Some("[hidden]"), &[]),
                entry("topic", Some("t"), &[]),
            ],
        };
        put_back(&mut report, &raw, &resolved);
        let values: Vec<_> = report.configs.iter().map(|entry| entry.value.value.as_deref()).collect();
        assert_eq!(values, [Some("/a/${f:/p:k}"), None, Some("[hidden]"), Some("t")]);
        assert_eq!(
            report.configs[1].value.errors,
            ["Invalid value ${f:/p:n} for configuration tasks.max: Not a number of type INT"]
        );
    }
}
