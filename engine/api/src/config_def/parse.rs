//! Text to values by type (Java: `ConfigDef#parseType`).

use super::config::ConfigValue;
use super::key::{ConfigKey, ConfigType};
use super::secret::{HIDDEN, Secret};
use crate::java_text::read_float64;

/// Parses the text of one key. A failure is the whole message for the operator.
pub(super) fn parse(key: &ConfigKey, text: &str) -> Result<ConfigValue, String> {
    let trimmed = java_trim(text);
    let number = || format!("Not a number of type {}", key.kind.name());
    let value = match key.kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(ConfigValue::Boolean(true)),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(ConfigValue::Boolean(false)),
        ConfigType::Boolean => Err("Expected value to be either true or false".to_owned()),
        ConfigType::String => Ok(ConfigValue::String(trimmed.to_owned())),
        ConfigType::Class => match &key.classes {
            None => Ok(ConfigValue::String(trimmed.to_owned())),
            Some(find) => find(trimmed)
                .map(ConfigValue::String)
                .ok_or_else(|| format!("Class {trimmed} could not be found.")),
        },
        ConfigType::Password => Ok(ConfigValue::Password(Secret::new(trimmed))),
        ConfigType::Short => {
            trimmed.parse::<i16>().map(|n| ConfigValue::Long(n.into())).map_err(|_not_a_number| number())
        }
        ConfigType::Int => {
            trimmed.parse::<i32>().map(|n| ConfigValue::Long(n.into())).map_err(|_not_a_number| number())
        }
        ConfigType::Long => trimmed.parse().map(ConfigValue::Long).map_err(|_not_a_number| number()),
        ConfigType::Double => read_float64(trimmed).map(ConfigValue::Double).ok_or_else(number),
        ConfigType::List if trimmed.is_empty() => Ok(ConfigValue::List(Vec::new())),
        // Java splits at `\s*,\s*`: blanks around the whole were trimmed, so trimming each item is the same.
        ConfigType::List => {
            const SPACE: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];
            Ok(ConfigValue::List(
                trimmed.split(',').map(|item| item.trim_matches(SPACE).to_owned()).collect(),
            ))
        }
    };
    value.map_err(|detail| invalid(key.kind, &key.name, text, &detail))
}

/// The message about a value that its type or validator refuses.
pub(super) fn invalid(kind: ConfigType, name: &str, value: &str, detail: &str) -> String {
    let shown = if kind == ConfigType::Password { HIDDEN } else { value };
    format!("Invalid value {shown} for configuration {name}: {detail}")
}

/// The message about a key that must be given.
pub(super) fn missing(key: &ConfigKey) -> String {
    format!("Missing required configuration \"{}\" which has no default value.", key.name)
}

/// `String#trim`: everything up to U+0020 at both ends.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}
