//! Checks of one Rust file: its opening line, its size, what was left behind, and tests that sleep.

use super::Finding;

/// More lines than this, tests not counted, is two files.
const LINES_MAX: usize = 1_000;

/// Files that are longer all the same, with the number of lines that they may have. The numbers only go down.
const RATCHET: &[(&str, usize)] = &[];

/// Leftovers in text, put together here so that this file does not find itself.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("to", "do!"), "finish it or return an error"),
    (concat!("db", "g!"), "remove it"),
    (concat!("#[ig", "nore"), "fix the test or remove it: nobody runs it"),
    (concat!("FIX", "ME"), "fix it now or file an issue"),
    (concat!("XX", "X"), "say what is meant"),
];

/// A test that sleeps is slow when it passes and flaky when the machine is busy.
const SLEEPS: &[&str] = &[concat!("thread::", "sleep"), concat!("time::", "sleep")];

pub(super) fn check(file: &str, text: &str) -> Vec<Finding> {
    let finding = |line, message: String| Finding { file: file.to_owned(), line, message };
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings
            .push(finding(1, "open with `//!`: what the file owns and what it refuses to know".to_owned()));
    }
    let lines_max = RATCHET.iter().find(|(known, _)| *known == file).map_or(LINES_MAX, |(_, lines)| *lines);
    let lines = lines_without_tests(file, text);
    if lines > lines_max {
        findings
            .push(finding(0, format!("has {lines} lines without tests, {lines_max} are allowed: split it")));
    }
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        for (leftover, advice) in LEFTOVERS {
            if contains_word(line, leftover) {
                findings.push(finding(index + 1, format!("`{leftover}` left behind: {advice}")));
            }
        }
        let is_test = index >= lines && !is_support(file);
        let is_explained = before.trim_start().starts_with("//") && before.contains("sleep");
        if is_test && !is_explained && SLEEPS.iter().any(|sleep| line.contains(sleep)) {
            findings.push(finding(
                index + 1,
                "a test sleeps: wait for the condition that it needs, or say in a comment above why this sleep is none \
                 (a paused clock, the interval of a poll)"
                    .to_owned(),
            ));
        }
        before = line;
    }
    findings
}

/// A number that is higher than the file is long, or a file that is short enough or gone.
pub(super) fn stale_ratchet(read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let stale = |(file, allowed): &(&str, usize)| {
        let lines = read(file).map_or(0, |text| lines_without_tests(file, &text));
        let message = format!("lower its number in xtask/src/tidy/sources.rs from {allowed} to {lines}");
        (lines < *allowed).then(|| Finding { file: (*file).to_owned(), line: 0, message })
    };
    RATCHET.iter().filter_map(stale).collect()
}

/// How many lines come before the tests: all, none in a file of tests, or those above the test module at the end.
fn lines_without_tests(file: &str, text: &str) -> usize {
    let is_test_file = file.ends_with("/tests.rs")
        || ["tests/", "loom/"].iter().any(|dir| file.starts_with(dir) || file.contains(&format!("/{dir}")));
    if is_test_file {
        return 0;
    }
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |pair: &[&str]| {
        pair[0].starts_with("#[cfg(")
            && pair[0].contains("test")
            && pair[1].starts_with("mod ")
            && pair[1].ends_with('{')
    };
    lines.windows(2).position(opens_tests).unwrap_or(lines.len())
}

/// The code that polls for a condition on behalf of the tests, so that they need not.
fn is_support(file: &str) -> bool {
    file.contains("/support/") || file.ends_with("/support.rs")
}

/// Whether `word` stands in `line` and is no part of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !(is_part(before.chars().next_back()) || is_part(after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, text: &str) -> Vec<String> {
        check(file, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_file_says_what_it_is() {
        assert_eq!(messages("a/src/b.rs", "//! Owns b.\nfn b() {}\n").len(), 0);
        assert!(messages("a/src/b.rs", "use std::io;\n")[0].starts_with("a/src/b.rs:1: open with"));
    }

    #[test]
    fn only_lines_before_the_tests_count() {
        let code = format!("//! Long.\n{}", "fn f() {}\n".repeat(LINES_MAX - 1));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a test\n".repeat(500));
        assert_eq!(messages("a/src/b.rs", &format!("{code}{tests}")).len(), 0);
        assert_eq!(messages("a/src/b.rs", &format!("{code}fn more() {{}}\n{tests}")).len(), 1);
        assert_eq!(messages("a/tests/b.rs", &format!("{code}fn more() {{}}\n{tests}")).len(), 0);
    }

    #[test]
    fn an_attribute_on_one_item_does_not_end_the_code() {
        let text = "//! Owns b.\n#[cfg(test)]\nuse std::io;\nfn f() {}\n";
        assert_eq!(lines_without_tests("a/src/b.rs", text), 4);
    }

    #[test]
    fn finds_leftovers_as_words() {
        for (leftover, _) in LEFTOVERS {
            assert_eq!(
                messages("a/src/b.rs", &format!("//! Owns b.\n    {leftover} (x)\n")).len(),
                1,
                "{leftover}"
            );
        }
        assert_eq!(messages("a/src/b.rs", concat!("//! Owns b.\nlet dir = \"tmp.XX", "XXXX\";\n")).len(), 0);
        assert_eq!(messages("a/src/b.rs", concat!("//! Owns b.\n#[ig", "nored_elsewhere]\n")).len(), 0);
    }

    #[test]
    fn tests_wait_for_conditions() {
        let sleep = SLEEPS[0];
        let in_tests = format!("//! Owns b.\n#[cfg(test)]\nmod tests {{\n    std::{sleep}(x);\n}}\n");
        assert_eq!(messages("a/src/b.rs", &in_tests).len(), 1);
        let explained =
            in_tests.replace("    std", "    // The clock is paused: the sleep takes no time.\n    std");
        assert_eq!(messages("a/src/b.rs", &explained).len(), 0);
        let in_code = format!("//! Owns b.\nfn f() {{ std::{sleep}(x) }}\n");
        assert_eq!(messages("a/src/b.rs", &in_code).len(), 0);
        assert_eq!(messages("a/tests/b/main.rs", &in_code).len(), 1);
        assert_eq!(messages("a/tests/support/mod.rs", &in_code).len(), 0);
    }
}
