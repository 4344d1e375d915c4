//! Counting: the programs of `benches` under callgrind, one count for each phase, instructions per record from two of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::output::say;
use crate::{cargo, process};

/// What counts, pipelines from end to end and converters and transforms alone, and how much dearer a case of it may become. The compiler
/// makes sixteen units of each crate: what is inlined where changes with code that has nothing to do with it, which has been seen to move a
/// stage by 11 % and a pipeline by 4 %.
const PROGRAMS: [(&str, f64); 2] = [("pipelines_counted", 0.10), ("stages_compared", 0.20)];

/// Optimised, without the long link; `cargo xtask test` has built most of it for its worker.
const PROFILE: &str = "fast";

/// `glibc` copies what is long with one instruction that callgrind counts once for each byte. Without the two features it copies by vectors, of which a
/// count says something.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// What a case costs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    pub(super) case: String,
    pub(super) per_record: f64,
    /// The share that it may be dearer than expected.
    pub(super) tolerance: f64,
}

/// All cases of all programs. These run side by side: nothing that runs beside them changes a count.
pub(super) fn all(valgrind: &Path) -> Result<Vec<Counted>> {
    let dir = cargo::target_dir()?.join("instructions");
    let programs = build()?;
    say(format_args!("counting the instructions of {}", PROGRAMS.map(|(name, _)| name).join(" and ")));
    let counts: Vec<Result<Vec<Counted>>> = thread::scope(|scope| {
        let running: Vec<_> = programs
            .iter()
            .zip(PROGRAMS)
            .map(|(program, (name, tolerance))| {
                let dir = dir.join(name);
                scope.spawn(move || {
                    let phases = run(valgrind, program, &dir).with_context(|| format!("count {name}"))?;
                    per_record(&phases, tolerance)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_panic| bail!("counting panicked")))
            .collect()
    });
    let mut all = Vec::new();
    for counted in counts {
        all.extend(counted?);
    }
    Ok(all)
}

/// The programs' paths, as cargo tells them.
fn build() -> Result<Vec<PathBuf>> {
    let mut command = cargo::command("build");
    command.args(["--profile", PROFILE, "--package", "benches", "--message-format=json-render-diagnostics"]);
    command.args(PROGRAMS.iter().flat_map(|(name, _)| ["--bench", name])).stderr(Stdio::inherit());
    let output = command.output().context("start cargo")?;
    ensure!(output.status.success(), "the benches do not build");
    let text = String::from_utf8_lossy(&output.stdout);
    let built: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let path = |name: &str| {
        let is_it = |message: &&Value| message["target"]["name"] == name && message["executable"].is_string();
        let message = built.iter().find(is_it)?;
        message["executable"].as_str().map(PathBuf::from)
    };
    PROGRAMS.iter().map(|(name, _)| path(name).with_context(|| format!("cargo built no {name}"))).collect()
}

/// Runs one program. What callgrind writes stays in `dir`, so that one can look where a case spends its instructions.
fn run(valgrind: &Path, program: &Path, dir: &Path) -> Result<Vec<(Phase, u64)>> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let dump = dir.join("phase");
    let mut command = Command::new(valgrind);
    command
        .args(["--tool=callgrind", "--quiet", "--dump-before=*phase_ends*"])
        .arg(format!("--callgrind-out-file={}", dump.display()))
        .arg(program)
        .arg("--count")
        .env(TUNABLES.0, TUNABLES.1);
    let printed = process::run_quiet(&mut command)?;
    let mut phases = Vec::new();
    for (index, phase) in printed.lines().filter_map(Phase::parse).enumerate() {
        let file = dir.join(format!("phase.{}", index + 1));
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let instructions = total(&text).with_context(|| format!("no total in {}", file.display()))?;
        if phase.records == 0 {
            fs::remove_file(&file)?;
        } else {
            let name = phase.case.replace(['/', ' '], "-");
            fs::rename(&file, dir.join(format!("{name}.{}", phase.records)))?;
        }
        phases.push((phase, instructions));
    }
    Ok(phases)
}

/// One line of a program: a phase has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Phase {
    case: String,
    /// 0: it does not count.
    records: u64,
}

impl Phase {
    fn parse(line: &str) -> Option<Phase> {
        let (case, records) = line.strip_prefix("phase\t")?.split_once('\t')?;
        Some(Phase { case: case.to_owned(), records: records.parse().ok()? })
    }
}

/// The instructions of a dump.
fn total(dump: &str) -> Option<u64> {
    dump.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// Of each case: what its longer phase cost more, by the records that it had more.
fn per_record(phases: &[(Phase, u64)], tolerance: f64) -> Result<Vec<Counted>> {
    let counted: Vec<_> = phases.iter().filter(|(phase, _)| phase.records > 0).collect();
    let case = |pair: &[&(Phase, u64)]| match pair {
        [(few, of_few), (many, of_many)] if few.case == many.case && few.records < many.records => {
            let per_record = of_many.saturating_sub(*of_few) as f64 / (many.records - few.records) as f64;
            Ok(Counted { case: few.case.clone(), per_record, tolerance })
        }
        _ => bail!("a case has two phases, the longer one last: {pair:?}"),
    };
    ensure!(!counted.is_empty(), "the program counted nothing");
    counted.chunks(2).map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(case: &str, records: u64, instructions: u64) -> (Phase, u64) {
        (Phase { case: case.to_owned(), records }, instructions)
    }

    #[test]
    fn what_does_not_depend_on_records_cancels() {
        let phases = [phase("", 0, 9_999), phase("a", 10, 1_500), phase("a", 30, 2_500)];
        let expected = Counted { case: "a".to_owned(), per_record: 50.0, tolerance: 0.1 };
        assert_eq!(per_record(&phases, 0.1).unwrap(), [expected]);
    }

    #[test]
    fn half_a_case_is_an_error() {
        assert!(per_record(&[phase("a", 10, 1_500)], 0.1).is_err());
        assert!(per_record(&[phase("a", 10, 1_500), phase("b", 30, 2_500)], 0.1).is_err());
        assert!(per_record(&[], 0.1).is_err());
    }

    #[test]
    fn reads_what_program_and_callgrind_write() {
        let line = Phase::parse("phase\tCast, with schema\t8000").unwrap();
        assert_eq!(line, Phase { case: "Cast, with schema".to_owned(), records: 8_000 });
        assert_eq!(Phase::parse("something else"), None);
        assert_eq!(total("version: 1\nsummary: 12\n\nfn=a\n1 12\n\ntotals: 12\n"), Some(12));
    }
}
