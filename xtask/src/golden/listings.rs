//! Answers that list classes are compared for the classes that both workers have.

use serde_json::Value;

/// Classes that only one worker has.
#[derive(Debug, Clone, Default)]
pub struct Listings {
    only_one: Vec<String>,
}

impl Listings {
    /// Leaves these classes out. A name that ends with a dot or a dollar sign stands for the whole package or class.
    #[must_use]
    pub fn without(classes: Vec<String>) -> Listings {
        Listings { only_one: classes }
    }

    /// Whether a class is left out.
    #[must_use]
    pub fn is_dropped(&self, class: &str) -> bool {
        self.only_one
            .iter()
            .any(|only| class == only || (only.ends_with(['.', '$']) && class.starts_with(only)))
    }

    /// The lines of an answer without those classes.
    #[must_use]
    pub fn lines(&self, lines: &[String]) -> Vec<String> {
        let listed = |line: &&String| {
            let class =
                line.trim_start().strip_prefix("{\"class\":\"").and_then(|rest| rest.split('"').next());
            !class.is_some_and(|class| self.is_dropped(class))
        };
        lines.iter().filter(listed).map(|line| self.line(line)).collect()
    }

    /// A list of values without those classes.
    pub(super) fn values(&self, values: &Value) -> Value {
        let Value::Array(items) = values else { return values.clone() };
        let kept = items.iter().filter(|item| !item.as_str().is_some_and(|class| self.is_dropped(class)));
        kept.cloned().collect()
    }

    fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        if let Some(start) = line.find("PluginDesc{") {
            let end = line
                .rfind('}')
                .filter(|_| line.contains("'}"))
                .map_or(line.len(), |_| line.rfind("'}").unwrap_or(0) + 2);
            let described = line[start..end].split("PluginDesc{").skip(1);
            let kept: Vec<_> = described
                .map(|text| text.trim_end_matches(", "))
                .filter(|text| {
                    let class = text.strip_prefix("klass=class ").and_then(|rest| rest.split(',').next());
                    !class.is_some_and(|class| self.is_dropped(class))
                })
                .map(|text| format!("PluginDesc{{{text}"))
                .collect();
            line = format!("{}{}{}", &line[..start], kept.join(", "), &line[end..]);
        }
        // What was the last element has a comma now.
        if line.starts_with("  {\"class\":") { line.trim_end_matches(',').to_owned() } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let listings = Listings::without(vec!["b.B".to_owned(), "io.".to_owned()]);
        assert_eq!(listings.lines(&[line.to_owned()]).join("|"), expected);
    }

    #[test]
    fn listed_classes_that_only_one_has_are_left_out() {
        check(r#"  {"class":"b.B","type":"sink"},"#, "");
        check(r#"  {"class":"a.A","type":"sink"},"#, r#"  {"class":"a.A","type":"sink"}"#);
        check(
            "are: PluginDesc{klass=class a.A, location='x'}, PluginDesc{klass=class io.Z, location='x'}\"}",
            "are: PluginDesc{klass=class a.A, location='x'}\"}",
        );
        check("nothing listed,", "nothing listed,");
        let listings = Listings::without(vec!["io.".to_owned()]);
        assert_eq!(listings.values(&serde_json::json!(["a.A", "io.C"])), serde_json::json!(["a.A"]));
    }
}
