//! What providers found, kept out of messages: an error or log line that repeats such a value shows the variable instead.
//!
//! Types hide what a table declares as a password. This is for the rest: a connector may put a value that came from a provider
//! under any key, and name it in an error.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

/// Shorter values are not looked for: they stand in too many words. Nor are they secrets that protect much.
const LENGTH_MIN: usize = 6;

/// Values remembered at one time; beyond it the shortest are forgotten.
const VALUES_MAX: usize = 1_000;

/// Value and what to show for it, longest value first.
static KNOWN: RwLock<Vec<(String, String)>> = RwLock::new(Vec::new());

/// Shows `variable` in the place of `value` from now on.
pub(crate) fn remember(value: &str, variable: &str) {
    // A file's last line end stays behind when a message repeats its content.
    let value = value.trim();
    if value.len() < LENGTH_MIN {
        return;
    }
    let is_known = |known: &[(String, String)]| known.iter().any(|(other, _)| other == value);
    if is_known(&KNOWN.read().unwrap_or_else(PoisonError::into_inner)) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if is_known(&known) {
        return;
    }
    if known.len() >= VALUES_MAX {
        known.pop();
    }
    let at = known.partition_point(|(other, _)| other.len() >= value.len());
    known.insert(at, (value.to_owned(), variable.to_owned()));
}

/// The text without any value that is remembered.
pub(crate) fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut shown = Cow::Borrowed(text);
    for (value, variable) in known.iter() {
        if shown.contains(value.as_str()) {
            shown = Cow::Owned(shown.replace(value.as_str(), variable));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_variables_for_what_they_stand_for() {
        remember("redact-canary", "${f:/p:k}");
        remember("redact-canary-longer", "${f:/p:l}");
        remember("tiny", "${f:/p:t}");
        assert_eq!(hide("a redact-canary, b=redact-canary-longer; tiny"), "a ${f:/p:k}, b=${f:/p:l}; tiny");
        assert!(matches!(hide("nothing to hide"), Cow::Borrowed(_)));
    }
}
