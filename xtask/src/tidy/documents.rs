//! Documents that map the tree: every path that they name must exist, or the map leads new people astray.

use super::Finding;

/// Endings that make a word in backticks a path without doubt.
const FILE_ENDINGS: &[&str] = &[".rs", ".toml", ".md", "/"];

/// `exists` is asked about paths relative to the repository's root.
pub(super) fn check(file: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The folders around a line of a tree drawing, with their indentation.
    let mut tree: Option<Vec<(usize, String)>> = None;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            tree = if tree.is_some() { None } else { Some(Vec::new()) };
            continue;
        }
        let named = match &mut tree {
            Some(folders) => tree_path(line, folders).into_iter().collect(),
            None => paths_in_prose(line, &exists),
        };
        for path in named.iter().filter(|path| !exists(path)) {
            let message = format!("names {path}, which does not exist");
            findings.push(Finding { file: file.to_owned(), line: index + 1, message });
        }
    }
    findings
}

/// A tree drawing names one path per line, first on it, and folders end with a slash: `  src/wire/   bytes only`.
fn tree_path(line: &str, folders: &mut Vec<(usize, String)>) -> Option<String> {
    let word = line.split_whitespace().next()?;
    if !is_path(word) || !FILE_ENDINGS.iter().any(|ending| word.ends_with(ending)) {
        return None;
    }
    let indent = line.len() - line.trim_start().len();
    while folders.last().is_some_and(|(outer, _)| *outer >= indent) {
        folders.pop();
    }
    let parent = folders.last().map_or("", |(_, path)| path.as_str());
    let path = format!("{parent}{word}");
    if word.ends_with('/') {
        folders.push((indent, path.clone()));
    }
    Some(path)
}

/// Words in backticks and targets of links that are paths of this repository.
fn paths_in_prose(line: &str, exists: &impl Fn(&str) -> bool) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2);
    let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let is_ours = |word: &str| {
        let (first, rest) = word.split_once('/').unwrap_or((word, ""));
        let is_under_root = !rest.is_empty() && exists(first);
        is_path(word)
            && first != "target"
            && (is_under_root || FILE_ENDINGS.iter().any(|end| word.ends_with(end)))
    };
    quoted.chain(linked).filter(|word| is_ours(word)).map(str::to_owned).collect()
}

fn is_path(word: &str) -> bool {
    let is_path_character = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        && word.chars().all(is_path_character)
        && word.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let tree = [
            "engine",
            "engine/",
            "engine/src/",
            "engine/src/rt/",
            "engine/src/lib.rs",
            "docs",
            "docs/README.md",
        ];
        let findings = check("MAP.md", text, |path| tree.contains(&path));
        findings
            .iter()
            .map(|f| f.message.split(' ').nth(1).unwrap().trim_end_matches(',').to_owned())
            .collect()
    }

    #[test]
    fn prose_names_existing_paths() {
        assert_eq!(missing("See `engine/src/lib.rs` and [docs](docs/README.md#start)."), [""; 0]);
        assert_eq!(
            missing("See `engine/src/gone.rs` and [docs](docs/gone.md)."),
            ["engine/src/gone.rs", "docs/gone.md"]
        );
        assert_eq!(missing("`gone/lib.rs`, `gone/`"), ["gone/lib.rs", "gone/"]);
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        let text = "`application/json`, `/connectors/{name}`, `target/release/aqueduct`, `connectors/<name>`, `a::b`, \
                    [site](https://example.org/x)";
        assert_eq!(missing(text), [""; 0]);
    }

    #[test]
    fn a_tree_drawing_nests_by_indentation() {
        let text = "```\nengine/        the data plane\n  src/         code\n    rt/        executors\n    gone/     ?\n```\n";
        assert_eq!(missing(text), ["engine/src/gone/"]);
    }

    #[test]
    fn commands_in_fences_are_no_paths() {
        assert_eq!(missing("```sh\ncargo run -- quickstart\ncd gone/\n```\n"), [""; 0]);
    }
}
