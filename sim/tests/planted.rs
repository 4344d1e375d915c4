//! Goal: the simulator finds what it is there to find. Method: workers with one bug each, planted on purpose (`engine::planted`), world after
//! world until one shows it; the same world without the bug is well.

use std::process::Command;

/// So many worlds of an hour are tried.
const WORLDS_MAX: u64 = 60;

/// What a world violates.
fn violations(seed: u64, options: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["--quiet", "--minutes", "60", "--seed", &seed.to_string()])
        .args(options)
        .output()
        .expect("sim runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(" violations, log "), "sim ends before its world:\n{text}");
    let prefix = format!("violation: seed {seed}: ");
    text.lines().filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned())).collect()
}

/// `kinds`: what is said of worlds with the bug.
#[track_caller]
fn check_found(bug: &str, options: &[&str], kinds: &[&str]) {
    let with_bug = [&["--plant", bug], options].concat();
    for seed in 1..=WORLDS_MAX {
        let found = violations(seed, &with_bug);
        if found.iter().any(|violation| kinds.iter().any(|kind| violation.contains(kind))) {
            assert_eq!(violations(seed, options), [""; 0], "seed {seed} without {bug}");
            return;
        }
    }
    panic!("none of {WORLDS_MAX} worlds shows {bug}");
}

#[test]
fn an_early_offset_commit_is_found() {
    check_found("early-commit", &[], &["I1 ", "I5 "]);
}

#[test]
fn a_missed_fence_is_found() {
    check_found("missed-fence", &["--exactly-once"], &["I2 ", "I4 ", "I12 "]);
}

#[test]
fn a_lost_revocation_is_found() {
    check_found("lost-revocation", &[], &["I11 ", "has tasks that run twice"]);
}
