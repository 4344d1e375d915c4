//! Java's validators (`ConfigDef.Range`, `ValidString`, ...) for use as [`Validator`](super::Validator).
//!
//! ```
//! use api::config_def::{Validator, validators};
//! const TASKS_MAX: Validator = validators::at_least::<1>;
//! const TOLERANCE: Validator = |value| validators::one_of(value, &["none", "all"]);
//! ```

use super::config::ConfigValue;
use crate::java_regex::JavaRegex;

/// `ConfigDef.Range.atLeast`.
///
/// # Errors
/// For a smaller number, and for null.
pub fn at_least<const MIN: i64>(value: &ConfigValue) -> Result<(), String> {
    within(value, MIN, i64::MAX)
}

/// `ConfigDef.Range.between`.
///
/// # Errors
/// For a number outside, and for null.
pub fn between<const MIN: i64, const MAX: i64>(value: &ConfigValue) -> Result<(), String> {
    within(value, MIN, MAX)
}

/// `ConfigDef.ValidString.in`.
///
/// # Errors
/// For any other text, and for null.
pub fn one_of(value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if allowed.contains(&text.as_str()) => Ok(()),
        _ => Err(format!("String must be one of: {}", allowed.join(", "))),
    }
}

/// `ConfigDef.CaseInsensitiveValidString.in`; `allowed` in upper case, in the order that Java prints.
///
/// # Errors
/// For any other text, and for null.
pub fn one_of_any_case(value: &ConfigValue, allowed: &[&str]) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if allowed.iter().any(|other| text.eq_ignore_ascii_case(other)) => Ok(()),
        _ => Err(format!("String must be one of (case insensitive): {}", allowed.join(", "))),
    }
}

/// `ConfigDef.NonNullValidator`.
///
/// # Errors
/// For null.
pub fn non_null(value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Null => Err("entry must be non null".to_owned()),
        _ => Ok(()),
    }
}

/// `ConfigDef.NonEmptyString`: null passes.
///
/// # Errors
/// For empty text.
pub fn non_empty(value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(text) if text.is_empty() => Err("String must be non-empty".to_owned()),
        _ => Ok(()),
    }
}

/// `ConfigDef.NonEmptyStringWithoutControlChars`: null passes.
///
/// # Errors
/// For empty text and for control characters, naming their codes.
pub fn non_empty_without_control_chars(value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::String(text) = value else { return Ok(()) };
    if text.is_empty() {
        return Err("String may not be empty".to_owned());
    }
    let codes: Vec<_> = text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    if codes.is_empty() {
        return Ok(());
    }
    Err(format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        codes.join(", ")
    ))
}

/// `RegexValidator`: a pattern of Java's.
///
/// # Errors
/// For anything else, with Java's message about it, and for null.
pub fn regex(value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::String(pattern) => {
            JavaRegex::new(pattern).map(|_is_fine| ()).map_err(|error| format!("Invalid regex: {error}"))
        }
        // What the Java virtual machine says of it, and scripts may have seen.
        _ => {
            Err("Invalid regex: Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null"
                .to_owned())
        }
    }
}

fn within(value: &ConfigValue, min: i64, max: i64) -> Result<(), String> {
    match *value {
        ConfigValue::Long(number) if number < min => Err(format!("Value must be at least {min}")),
        ConfigValue::Long(number) if number > max => Err(format!("Value must be no more than {max}")),
        ConfigValue::Double(number) if number < min as f64 => Err(format!("Value must be at least {min}")),
        ConfigValue::Double(number) if number > max as f64 => {
            Err(format!("Value must be no more than {max}"))
        }
        ConfigValue::Long(_) | ConfigValue::Double(_) => Ok(()),
        _ => Err("Value must be non-null".to_owned()),
    }
}
