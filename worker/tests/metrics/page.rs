//! Reads a page of metrics as strictly as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Whether any label names the connector.
    pub(crate) fn is_about(&self, connector: &str) -> bool {
        self.labels.values().any(|value| value.contains(connector))
    }
}

/// The samples of a page. Each metric has to say its help and type once, before its samples, which stand together and differ.
pub(crate) fn parse(page: &str) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut families = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut family = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} comes twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family, "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
        } else {
            let sample = parse_sample(line);
            assert_eq!(sample.name, family, "{line}");
            assert!(seen.insert(line.rsplit_once(' ').unwrap().0.to_owned()), "{line} comes twice");
            samples.push(sample);
        }
    }
    samples
}

fn parse_sample(line: &str) -> Sample {
    let (key, value) = line.rsplit_once(' ').unwrap();
    let value = match value {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        value => value.parse().unwrap_or_else(|_| panic!("{line}")),
    };
    let (name, mut rest) = match key.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (key, ""),
    };
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{line}");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"").unwrap();
        let mut text = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => text.push(match letters.next().unwrap().1 {
                    'n' => '\n',
                    letter => letter,
                }),
                (_, letter) => text.push(letter),
            }
        };
        assert!(labels.insert(label.to_owned(), text).is_none(), "{line}");
        rest = quoted[end + 1..].trim_start_matches(',');
    }
    Sample { name: name.to_owned(), labels, value }
}
