//! Reads docs/java-differences.md, the one list of what differs from Java on purpose.

use std::path::Path;

use xtask::golden::Listings;

/// What the list allows.
pub(crate) struct Differences {
    /// Words that the transcript refers to.
    pub(crate) reasons: Vec<String>,
    /// Classes that Java lists and ours does not have yet.
    pub(crate) java_only: Vec<String>,
    pub(crate) listings: Listings,
}

impl Differences {
    pub(crate) fn load() -> Differences {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/java-differences.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = |title: &str| {
            let section = text.split("\n## ").find(|section| section.starts_with(title)).unwrap();
            let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
            cells.map(str::to_owned).collect::<Vec<_>>()
        };
        let java_only = rows("Classes that only Java lists");
        let listings =
            Listings::without([java_only.clone(), rows("Classes that only Aqueduct lists")].concat());
        Differences { reasons: rows("Answers"), java_only, listings }
    }
}

/// Errors of Java's framework come without the type of their body, and 405 without the methods that there are. Ours have both;
/// it is said once in the list and not at every answer.
pub(crate) fn has_only_more_headers(java: &[String], ours: &[String]) -> bool {
    let (Some(java_status), Some(ours_status)) = (java.first(), ours.first()) else { return false };
    let is_framework = ["404", "405", "406", "415"].contains(&java_status.as_str());
    let body = |lines: &[String]| {
        lines.iter().skip(1).filter(|line| !line.starts_with("allow: ")).cloned().collect::<Vec<_>>()
    };
    is_framework && *ours_status == format!("{java_status} application/json") && body(java) == body(ours)
}
