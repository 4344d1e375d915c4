//! Which version of a plug-in a configuration asks for (KIP-891): Maven's ranges, as `PluginUtils#connectorVersionRequirement` reads
//! them.

use std::cmp::Ordering;
use std::fmt;

/// A range such as `[1.0,2.0)`, several of them with commas between, or one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRange {
    restrictions: Vec<Restriction>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Restriction {
    lower: Option<String>,
    includes_lower: bool,
    upper: Option<String>,
    includes_upper: bool,
}

impl VersionRange {
    /// Reads a requirement; `None` is any version (`latest`). A bare version means that one alone.
    ///
    /// # Errors
    /// Maven's message.
    pub(crate) fn parse(text: &str) -> Result<Option<VersionRange>, String> {
        if text == "latest" {
            return Ok(None);
        }
        let text = text.trim();
        let is_range = text.starts_with(['[', '(']);
        let specification = if is_range { text.to_owned() } else { format!("[{text}]") };
        let mut restrictions: Vec<Restriction> = Vec::new();
        let mut rest = specification.as_str();
        while rest.starts_with(['[', '(']) {
            let end = rest.find([')', ']']).ok_or_else(|| format!("Unbounded range: {specification}"))?;
            let restriction = Restriction::parse(&rest[..=end])?;
            if let Some(before) = restrictions.last().and_then(|before| before.upper.as_deref())
                && restriction.lower.as_deref().is_none_or(|lower| compare(lower, before) == Ordering::Less)
            {
                return Err(format!("Ranges overlap: {specification}"));
            }
            restrictions.push(restriction);
            rest = rest[end + 1..].trim();
            rest = rest.strip_prefix(',').map_or(rest, str::trim);
        }
        if rest.is_empty() {
            Ok(Some(VersionRange { restrictions }))
        } else {
            Err(format!("Only fully-qualified sets allowed in multiple set scenario: {specification}"))
        }
    }

    /// Whether it holds a version.
    pub(crate) fn contains(&self, version: &str) -> bool {
        self.restrictions.iter().any(|restriction| restriction.contains(version))
    }
}

impl Restriction {
    fn parse(text: &str) -> Result<Restriction, String> {
        let (includes_lower, includes_upper) = (text.starts_with('['), text.ends_with(']'));
        let inner = text[1..text.len() - 1].trim();
        let bound = |bound: &str| Some(bound.trim().to_owned()).filter(|bound| !bound.is_empty());
        let Some((lower, upper)) = inner.split_once(',') else {
            if !includes_lower || !includes_upper {
                return Err(format!("Single version must be surrounded by []: {text}"));
            }
            let version = Some(inner.to_owned());
            return Ok(Restriction {
                lower: version.clone(),
                includes_lower,
                upper: version,
                includes_upper,
            });
        };
        let (lower, upper) = (bound(lower), bound(upper));
        if let (Some(lower), Some(upper)) = (&lower, &upper) {
            let order = compare(upper, lower);
            if order == Ordering::Less || order == Ordering::Equal && (!includes_lower || !includes_upper) {
                return Err(format!("Range defies version ordering: {text}"));
            }
        }
        Ok(Restriction { lower, includes_lower, upper, includes_upper })
    }

    fn contains(&self, version: &str) -> bool {
        let from_lower = match self.lower.as_deref().map(|lower| compare(lower, version)) {
            None | Some(Ordering::Less) => true,
            Some(Ordering::Equal) => self.includes_lower,
            Some(Ordering::Greater) => false,
        };
        let to_upper = match self.upper.as_deref().map(|upper| compare(upper, version)) {
            None | Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => self.includes_upper,
            Some(Ordering::Less) => false,
        };
        from_lower && to_upper
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, restriction) in self.restrictions.iter().enumerate() {
            let Restriction { lower, includes_lower, upper, includes_upper } = restriction;
            write!(
                f,
                "{}{}{},{}{}",
                if index == 0 { "" } else { "," },
                if *includes_lower { '[' } else { '(' },
                lower.as_deref().unwrap_or_default(),
                upper.as_deref().unwrap_or_default(),
                if *includes_upper { ']' } else { ')' },
            )?;
        }
        Ok(())
    }
}

/// Maven's order: numbers as numbers, trailing zeros do not count, `alpha` to `snapshot` before the release, anything else after it.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for index in 0..a.len().max(b.len()) {
        let order = match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(a), None) => a.cmp(&Part::RELEASE),
            (None, Some(b)) => Part::RELEASE.cmp(b),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Its rank and text.
    Qualifier(usize, String),
    Number(u64),
}

impl Part {
    /// What stands where a version has ended: more than `snapshot`, less than any number but zero.
    const RELEASE: Part = Part::Qualifier(QUALIFIERS.len() - 2, String::new());
}

/// The empty one is the release.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

fn parts(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let lower = version.to_ascii_lowercase();
    let mut rest = lower.as_str();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '.' | '-') {
            rest = &rest[1..];
            continue;
        }
        let is_digit = first.is_ascii_digit();
        let end = rest
            .find(|c: char| matches!(c, '.' | '-') || c.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        if is_digit {
            parts.push(Part::Number(part.parse().unwrap_or(u64::MAX)));
        } else {
            drop_zeros(&mut parts);
            parts.push(qualifier(part));
        }
        rest = after;
    }
    drop_zeros(&mut parts);
    parts
}

fn drop_zeros(parts: &mut Vec<Part>) {
    while matches!(parts.last(), Some(Part::Number(0))) || parts.last() == Some(&Part::RELEASE) {
        parts.pop();
    }
}

fn qualifier(text: &str) -> Part {
    let known = match text {
        "a" => "alpha",
        "b" => "beta",
        "m" => "milestone",
        "cr" => "rc",
        "ga" | "final" | "release" => "",
        other => other,
    };
    match QUALIFIERS.iter().position(|qualifier| *qualifier == known) {
        Some(rank) => Part::Qualifier(rank, String::new()),
        None => Part::Qualifier(QUALIFIERS.len(), known.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &str, version: &str) -> bool {
        VersionRange::parse(range).unwrap().is_none_or(|range| range.contains(version))
    }

    #[test]
    fn ranges_hold_what_maven_says() {
        for (range, yes, no) in [
            ("4.3.0", "4.3", "4.3.1"),
            ("[4.0,)", "4.3.0", "3.9"),
            ("(4.3,5)", "4.3.1", "4.3.0"),
            ("[1,2),(3,4]", "4.0.0", "2.5"),
            ("(,4.3.0]", "4.3.0-rc1", "4.3.0-sp"),
            ("[4.3.0-SNAPSHOT,4.3.0)", "4.3.0-snapshot", "4.3.0-final"),
            ("[4.10,)", "4.10", "4.9"),
        ] {
            assert!(holds(range, yes) && !holds(range, no), "{range}");
        }
        assert!(holds("latest", "any"));
    }

    #[test]
    fn faults_are_said_in_mavens_words() {
        let error = |text| VersionRange::parse(text).unwrap_err();
        assert_eq!(error("["), "Unbounded range: [");
        assert_eq!(error("(1)"), "Single version must be surrounded by []: (1)");
        assert_eq!(error("[2,1]"), "Range defies version ordering: [2,1]");
        assert_eq!(error("[1,3],[2,4]"), "Ranges overlap: [1,3],[2,4]");
        assert_eq!(error("[1],2"), "Only fully-qualified sets allowed in multiple set scenario: [1],2");
        let shown = |text| VersionRange::parse(text).unwrap().unwrap().to_string();
        assert_eq!(
            (shown(" 9 "), shown(""), shown("[1, 2)")),
            ("[9,9]".into(), "[,]".into(), "[1,2)".into())
        );
    }
}
