//! Keys that have a meaning, and the one that a misspelt key was probably meant to be.

use api::ConfigDef;
use protocol::client::properties::Table;

/// Keys with a meaning: whole names, and beginnings behind which everything has one.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl Known {
    pub(super) fn names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.names.extend(names.into_iter().map(str::to_owned));
    }

    pub(super) fn prefixes<'a>(&mut self, prefixes: impl IntoIterator<Item = &'a str>) {
        self.prefixes.extend(prefixes.into_iter().map(str::to_owned));
    }

    /// The keys of a table behind `prefix`.
    pub(super) fn table(&mut self, prefix: &str, table: &ConfigDef) {
        self.names.extend(table.keys().iter().map(|key| format!("{prefix}{}", key.name)));
    }

    /// The properties of a client behind `prefix`.
    pub(super) fn client(&mut self, prefix: &str, table: Table) {
        self.names.extend(table.keys().map(|key| format!("{prefix}{}", key.name)));
    }

    /// What to say of a key that has no meaning.
    pub(super) fn complaint(&self, key: &str) -> Option<String> {
        let is_known = self.names.iter().any(|name| name == key)
            || self
                .prefixes
                .iter()
                .any(|prefix| key.len() > prefix.len() && key.starts_with(prefix.as_str()));
        if is_known {
            return None;
        }
        let hint =
            self.nearest(key).map_or_else(String::new, |nearest| format!("; did you mean '{nearest}'?"));
        Some(format!("the key '{key}' has no meaning here{hint}"))
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        // One slip in a short key, a few in a long one.
        let far = 1 + key.len() / 6;
        let distances = self.names.iter().map(|name| (distance(key, name, far), name));
        let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
        (distance <= far).then_some(name.as_str())
    }
}

/// How many characters have to be put in, left out, replaced or swapped with their neighbour; any number above `far` is as good as
/// another.
fn distance(from: &str, to: &str, far: usize) -> usize {
    if from.len().abs_diff(to.len()) > far {
        return far + 1;
    }
    let (from, to): (Vec<char>, Vec<char>) =
        (from.to_lowercase().chars().collect(), to.to_lowercase().chars().collect());
    let mut before = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let mut cost =
                (last[column] + usize::from(a != b)).min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b {
                cost = cost.min(before[column - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        for (a, b, slips) in [
            ("topics", "topics", 0),
            ("topcis", "topics", 1),
            ("topic", "topics", 1),
            ("tpoisc", "topics", 2),
            ("Topics", "topics", 0),
        ] {
            assert_eq!(distance(a, b, 9), slips, "{a} {b}");
        }
        assert_eq!(distance("a", "abcdef", 2), 3);
    }

    #[test]
    fn hints_at_what_is_near() {
        let mut known = Known::default();
        known.names(["topics", "tasks.max", "errors.tolerance"]);
        known.prefixes(["transforms."]);
        assert_eq!(known.complaint("topics"), None);
        assert_eq!(known.complaint("transforms.a.type"), None);
        assert_eq!(
            known.complaint("task.max").unwrap(),
            "the key 'task.max' has no meaning here; did you mean 'tasks.max'?"
        );
        assert!(known.complaint("error.tolerence").unwrap().contains("'errors.tolerance'"));
        assert_eq!(
            known.complaint("completely.else").unwrap(),
            "the key 'completely.else' has no meaning here"
        );
        assert!(!known.complaint("transforms.").unwrap().is_empty());
    }
}
