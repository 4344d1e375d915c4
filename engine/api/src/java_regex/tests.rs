//! Tests against what Java answered (`tests/golden/java_regex.tsv`).

use super::*;

fn unescaped(field: &str) -> String {
    let mut out = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                other => other.unwrap(),
            },
            other => other,
        });
    }
    out
}

#[test]
fn patterns_mean_and_fail_as_in_java() {
    let recorded = include_str!("../../tests/golden/java_regex.tsv");
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').map(unescaped).collect();
        let (pattern, expected) = (&fields[1], fields.last().unwrap());
        let compiled = JavaRegex::new(pattern);
        let ours = match (fields[0].as_str(), compiled) {
            ("error", Ok(_)) => "OK".to_owned(),
            ("match", Ok(regex)) => regex.matches(&fields[2]).to_string(),
            (_, Err(error)) => error.to_string(),
            (other, Ok(_)) => panic!("{other}"),
        };
        if ours != *expected {
            wrong.push(format!("{fields:?}: {ours:?}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 180, "{count}");
}

#[test]
fn finds_groups() {
    let regex = JavaRegex::new("(?<db>[a-z]+)\\.(x)?").unwrap();
    assert_eq!(regex.captures("- db.t"), Some(vec![Some(2..5), Some(2..4), None]));
    assert_eq!((regex.group("db"), regex.group("no"), regex.group_count()), (Some(1), None, 2));
    assert_eq!(regex.captures("none"), None);
}

#[test]
fn hostile_patterns_end() {
    let deep = "(".repeat(5_000);
    let long = "a".repeat(20_000);
    for pattern in [deep.as_str(), &long, "(((a{1000}){1000}){1000})", "a{2000000000}", &"[".repeat(5_000)] {
        assert!(JavaRegex::new(pattern).is_err(), "{}", &pattern[..20]);
    }
    let exponential = JavaRegex::new("(a|a|aa)+\\1c").unwrap();
    assert!(!exponential.matches(&"a".repeat(249)));
}

proptest::proptest! {
    #[test]
    fn no_pattern_panics(pattern in "[\\\\\\[\\](){}?*+|^$.a-c0-3,:<>=!&EQnpxk\\-]{0,24}", text in "[a-c]{0,6}") {
        if let Ok(regex) = JavaRegex::new(&pattern) {
            regex.matches(&text);
            regex.captures(&text);
        }
    }
}
