//! Goal: a seed is a world: the same every time, and nothing that must be true of clusters is violated in any. Method: the program `sim` itself,
//! since everything random in a process has to begin with it.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("sim runs")
}

#[track_caller]
fn check_well(arguments: &[&str]) -> String {
    let output = sim(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "sim {arguments:?}:\n{text}");
    text
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let arguments = ["--seed", "11", "--minutes", "10"];
    let (first, second) = (check_well(&arguments), check_well(&arguments));
    assert!(first.contains("a storm begins") && first.lines().count() > 100, "{first}");
    assert_eq!(first, second);
    assert_ne!(first, check_well(&["--seed", "1001", "--minutes", "10"]));
}

#[test]
fn nothing_is_violated_in_an_hour_of_worlds() {
    let text = check_well(&["--hours", "1", "--minutes", "10", "--first-seed", "1001"]);
    assert!(text.contains("6 worlds, "), "{text}");
}
