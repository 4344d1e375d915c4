//! On what something was measured: the machine, the versions, the command.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// All that a reader needs to judge a figure or to get it again. What cannot be found out is null.
pub(crate) fn facts(binary: &Path) -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kb = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    json!({
        "date": first_line(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%MZ"])),
        "command": command(binary),
        "commit": commit(),
        "binary": binary,
        "cpu": model,
        "cores": std::thread::available_parallelism().ok().map(std::num::NonZero::get),
        "memory_gb": memory_kb.map(|kb| kb as f64 / 1e6),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned()),
        "kafka": xtask::kafka::VERSION,
        "java": first_line(Command::new("java").arg("-version")),
        "load_average": load_average(),
    })
}

/// With `-dirty` where files differ from it; the results that are being kept do.
fn commit() -> Option<String> {
    let commit = first_line(Command::new("git").args(["describe", "--always"]))?;
    let others = [":/", ":(top,exclude)loadtest/results"];
    let diff = Command::new("git").args(["diff", "--quiet", "HEAD", "--"]).args(others).status().ok()?;
    Some(if diff.success() { commit } else { format!("{commit}-dirty") })
}

/// What gives these figures again, as `cargo xtask bench` takes it. Cargo names the folder of a program after its profile.
fn command(binary: &Path) -> String {
    let profile = binary.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let profile = profile.filter(|name| *name != "release").map(|name| format!(" --profile {name}"));
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo xtask bench{} {}", profile.unwrap_or_default(), arguments.join(" "))
}

/// Of the last minute: what else ran.
fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Of what a program prints; Java tells its version on the error stream.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8(text).ok()?.lines().next().map(str::to_owned)
}
