//! The expected figures: a file of one line for each case, and what of the counted is dearer than it says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::count::Counted;

/// What any case may cost more, in instructions per record: some do nothing for a record, and a few things for a batch.
const TOLERANCE_LEAST: f64 = 0.5;

const HEAD: &str = "# Instructions per record; written by `cargo xtask bench instructions --bless`, explained in docs/benchmarks.md.\n";

/// Expected figures, in their order.
#[derive(Debug, PartialEq)]
pub(super) struct Table(Vec<(String, f64)>);

/// How counted figures compare.
#[derive(Debug)]
pub(super) struct Verdict {
    /// A table, then what is wrong.
    pub(super) lines: Vec<String>,
    pub(super) is_good: bool,
}

impl Table {
    pub(super) fn of(counted: &[Counted]) -> Table {
        Table(counted.iter().map(|one| (one.case.clone(), one.per_record)).collect())
    }

    pub(super) fn read(file: &Path) -> Result<Table> {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        Table::parse(&text).with_context(|| format!("read {}", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.text()).with_context(|| format!("write {}", file.display()))
    }

    fn parse(text: &str) -> Result<Table> {
        let line = |line: &str| -> Result<(String, f64)> {
            let (figure, case) =
                line.split_once('\t').with_context(|| format!("no figure and case: {line}"))?;
            Ok((case.to_owned(), figure.parse().with_context(|| format!("no figure: {line}"))?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Ok(Table(lines.map(line).collect::<Result<_>>()?))
    }

    fn text(&self) -> String {
        let lines = self.0.iter().map(|(case, figure)| format!("{figure:.1}\t{case}\n"));
        std::iter::once(HEAD.to_owned()).chain(lines).collect()
    }

    /// Every counted case beside what is expected of it.
    pub(super) fn judge(&self, counted: &[Counted]) -> Verdict {
        let expected = |case: &str| self.0.iter().find(|(name, _)| name == case).map(|(_, figure)| *figure);
        let mut lines = vec!["instructions per record: counted, expected, case".to_owned()];
        let (mut wrong, mut cheaper) = (Vec::new(), 0);
        for Counted { case, per_record, tolerance } in counted {
            let Some(expected) = expected(case) else {
                lines.push(format!("{per_record:>10.1} {:>10}  {case}", "-"));
                wrong.push(format!("error: {case} is not in the table"));
                continue;
            };
            lines.push(format!("{per_record:>10.1} {expected:>10.1}  {case}"));
            let allowed = (expected * tolerance).max(TOLERANCE_LEAST);
            if *per_record > expected + allowed {
                wrong.push(format!(
                    "error: {case} costs {per_record:.1} instructions per record, expected were {expected:.1} (at most {:.1})",
                    expected + allowed
                ));
            } else if *per_record < expected - allowed {
                cheaper += 1;
            }
        }
        let is_counted = |case: &str| counted.iter().any(|one| one.case == case);
        let gone = self.0.iter().filter(|(case, _)| !is_counted(case));
        wrong.extend(gone.map(|(case, _)| format!("error: {case} is in the table and was not counted")));
        if cheaper > 0 {
            lines.push(format!(
                "{cheaper} cases are much cheaper: bless them, or what was won can be lost unseen"
            ));
        }
        let is_good = wrong.is_empty();
        lines.append(&mut wrong);
        if !is_good {
            lines.push(
                "where it goes: callgrind_annotate --threshold=100 target/instructions/<program>/<case>.<records>; if it is meant: cargo xtask bench instructions --bless"
                    .to_owned(),
            );
        }
        Verdict { lines, is_good }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table(vec![("null-100".to_owned(), 100.0), ("renamed, for nothing".to_owned(), 0.2)])
    }

    fn judge(figures: &[(&str, f64)]) -> Verdict {
        let counted: Vec<Counted> = figures
            .iter()
            .map(|(case, per_record)| Counted {
                case: (*case).to_owned(),
                per_record: *per_record,
                tolerance: 0.1,
            })
            .collect();
        table().judge(&counted)
    }

    #[test]
    fn as_much_more_as_is_tolerated_and_nothing_beyond() {
        assert!(judge(&[("null-100", 109.9), ("renamed, for nothing", 0.6)]).is_good);
        let verdict = judge(&[("null-100", 110.1), ("renamed, for nothing", 0.2)]);
        assert!(!verdict.is_good);
        let told = verdict.lines.join("\n");
        assert!(told.contains("null-100 costs 110.1") && told.contains("expected were 100.0"), "{told}");
        assert!(told.contains("--bless"), "{told}");
    }

    #[test]
    fn cheaper_is_no_error() {
        let verdict = judge(&[("null-100", 50.0), ("renamed, for nothing", 0.0)]);
        assert!(
            verdict.is_good && verdict.lines.join("\n").contains("1 cases are much cheaper"),
            "{verdict:?}"
        );
    }

    #[test]
    fn cases_and_lines_belong_together() {
        assert!(!judge(&[("null-100", 100.0)]).is_good);
        assert!(!judge(&[("null-100", 100.0), ("renamed, for nothing", 0.2), ("new", 1.0)]).is_good);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        assert_eq!(Table::parse(&table().text()).unwrap(), table());
        assert!(Table::parse("null-100 100").is_err());
    }
}
