//! Variables within a text, found as Java's pattern finds them: `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`.

use std::collections::HashMap;
use std::ops::Range;

/// `${provider:path:key}` or `${provider:key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    pub(super) provider: &'a str,
    /// Empty where there is none.
    pub(super) path: &'a str,
    /// May contain colons; the path can't.
    pub(super) key: &'a str,
    /// Where it stands, `${` and `}` included.
    pub(super) at: Range<usize>,
}

/// Whether anything in a text has the form of a variable, whoever its provider is.
pub(crate) fn contains_variables(text: &str) -> bool {
    variables(text).next().is_some()
}

/// The variables of a text, in order.
pub(super) fn variables(text: &str) -> impl Iterator<Item = Variable<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text[from..].find("${")?;
            let end = start + text[start..].find('}')?;
            let inner = &text[start + 2..end];
            let Some((provider, rest)) = inner.split_once(':') else {
                // Java's pattern cannot begin here; it may begin further on.
                from = start + 2;
                continue;
            };
            from = end + 1;
            let (path, key) = rest.split_once(':').unwrap_or(("", rest));
            return Some(Variable { provider, path, key, at: start..end + 1 });
        }
    })
}

/// Values by provider, path and key.
pub(super) type Found = HashMap<(String, String, String), String>;

/// The text with its variables replaced. Those that were not found stay; what comes in is not looked at again.
pub(super) fn replace(text: &str, found: &Found) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    for Variable { provider, path, key, at } in variables(text) {
        let id = (provider.to_owned(), path.to_owned(), key.to_owned());
        if let Some(value) = found.get(&id) {
            replaced.push_str(&text[from..at.start]);
            replaced.push_str(value);
            from = at.end;
        }
    }
    replaced.push_str(&text[from..]);
    replaced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, &str)]) {
        let found: Vec<_> =
            variables(text).map(|variable| (variable.provider, variable.path, variable.key)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_what_javas_pattern_finds() {
        check("${file:/p:k}", &[("file", "/p", "k")]);
        check("a ${env:A} b${env:B}", &[("env", "", "A"), ("env", "", "B")]);
        check("${file:/p:k:with:colons}", &[("file", "/p", "k:with:colons")]);
        check("${file::k}", &[("file", "", "k")]);
        check("${::}${:}", &[("", "", ""), ("", "", "")]);
        check("${a${b:c}", &[("a${b", "", "c")]);
        check("${none} ${b:c}", &[("b", "", "c")]);
        check("${open:x", &[]);
        check("$ {a:b} {c:d} $${e:f}", &[("e", "", "f")]);
        check("${ä:ö:ü}", &[("ä", "ö", "ü")]);
    }

    #[test]
    fn replaces_once_and_leaves_the_unknown() {
        let found = [(("f".to_owned(), "/p".to_owned(), "k".to_owned()), "${f:/p:k}$1".to_owned())];
        let found = Found::from(found);
        assert_eq!(
            replace("<${f:/p:k}|${f:/p:k}|${f:/p:other}>", &found),
            "<${f:/p:k}$1|${f:/p:k}$1|${f:/p:other}>"
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_when_nothing_is_found(text in "[${}:a/ä ]{0,40}") {
            prop_assert_eq!(replace(&text, &Found::new()), text);
        }
    }
}
