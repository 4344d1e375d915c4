//! Checks beyond a key's type.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::config::ConfigValue;
use super::key::{ConfigKey, Validator};
use super::parse;

/// A check that knows more than the value; a failure is the whole message.
pub type CheckClosure = Arc<dyn Fn(&ConfigValue) -> Result<(), String> + Send + Sync>;

/// A check beyond the type.
#[derive(Clone)]
pub enum Check {
    /// Of the value alone.
    Value(Validator),
    /// With what the closure holds.
    Closure(CheckClosure),
    /// Of a list.
    List(ListRule),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::List(rule) => f.debug_tuple("List").field(rule).finish(),
            Check::Value(_) | Check::Closure(_) => f.write_str("Check"),
        }
    }
}

/// What Java 4 asks of lists (KIP-1161, `ConfigDef.ValidList`): no item twice, no blank item, and as follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRule {
    /// Whether a list without items will do.
    pub may_be_empty: bool,
    /// Whether null will do.
    pub may_be_null: bool,
    /// The only items that will do, where there are such.
    pub items: &'static [&'static str],
}

impl ListRule {
    /// Any items, empty or not.
    pub const ANY: ListRule = ListRule { may_be_empty: true, may_be_null: false, items: &[] };

    /// At least one item.
    pub const NON_EMPTY: ListRule = ListRule { may_be_empty: false, may_be_null: false, items: &[] };

    /// At least one item, or null.
    pub const NON_EMPTY_OR_NULL: ListRule = ListRule { may_be_empty: false, may_be_null: true, items: &[] };

    /// Any items, empty or not, or null.
    pub const ANY_OR_NULL: ListRule = ListRule { may_be_empty: true, may_be_null: true, items: &[] };

    /// The whole message where the list will not do.
    fn check(self, key: &str, value: &ConfigValue) -> Result<(), String> {
        let valid = || {
            if self.items.is_empty() {
                "any non-empty value".to_owned()
            } else {
                format!("[{}]", self.items.join(", "))
            }
        };
        let items = match value {
            ConfigValue::List(items) => items,
            _ if self.may_be_null => return Ok(()),
            _ => return Err(format!("Configuration '{key}' values must not be null.")),
        };
        if items.is_empty() && !self.may_be_empty {
            return Err(format!(
                "Configuration '{key}' must not be empty. Valid values include: {}",
                valid()
            ));
        }
        let mut seen = HashSet::with_capacity(items.len());
        if !items.iter().all(|item| seen.insert(item)) {
            return Err(format!("Configuration '{key}' values must not be duplicated."));
        }
        if items.iter().any(|item| item.trim().is_empty()) {
            return Err(format!("Configuration '{key}' values must not be empty."));
        }
        match items.iter().find(|item| !self.items.is_empty() && !self.items.contains(&item.as_str())) {
            Some(item) => Err(format!(
                "Invalid value {item} for configuration {key}: String must be one of: {}",
                self.items.join(", ")
            )),
            None => Ok(()),
        }
    }
}

impl ConfigKey {
    /// Where a list may not repeat itself, what comes again counts once when it is used, as in Java (KIP-1161); only a validation
    /// complains of it.
    pub(super) fn without_repetition(&self, value: ConfigValue) -> ConfigValue {
        match (&self.check, value) {
            (Some(Check::List(_)), ConfigValue::List(mut items)) => {
                let mut seen = HashSet::with_capacity(items.len());
                items.retain(|item| seen.insert(item.clone()));
                ConfigValue::List(items)
            }
            (_, value) => value,
        }
    }

    /// Checks a parsed value: the whole message where it will not do.
    pub(super) fn check(&self, value: &ConfigValue) -> Result<(), String> {
        let detail = match &self.check {
            None => Ok(()),
            Some(Check::Value(check)) => check(value),
            Some(Check::Closure(check)) => return check(value),
            Some(Check::List(rule)) => return rule.check(self.own_name(), value),
        };
        detail.map_err(|detail| parse::invalid(self.kind, self.own_name(), &value.to_string(), &detail))
    }
}
