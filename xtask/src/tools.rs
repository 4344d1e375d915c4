//! Programs that the checks need beside cargo: found where they are, installed where we may, else one clear line.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::{cargo, output, process};

/// The version that CI checks with; another one may know other licence or ban rules.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// The `java` program.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn java() -> Result<PathBuf> {
    program("java", &["openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"])
}

/// The `mvn` program.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn maven() -> Result<PathBuf> {
    // Java first: Debian's Maven would otherwise choose one of its own.
    java()?;
    program("mvn", &["maven"])
}

/// The `kcat` program.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn kcat() -> Result<PathBuf> {
    program("kcat", &["kcat", "kafkacat"])
}

/// The `valgrind` program, whose callgrind counts instructions.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn valgrind() -> Result<PathBuf> {
    program("valgrind", &["valgrind"])
}

/// librdkafka with its header, and the C compiler, for the comparison of clients.
///
/// # Errors
/// One is missing and cannot be installed here.
pub fn librdkafka() -> Result<()> {
    program("cc", &["gcc"])?;
    if PathBuf::from("/usr/include/librdkafka/rdkafka.h").exists() {
        return Ok(());
    }
    apt_install(&["librdkafka-dev"]).context("librdkafka's header is missing, and was not installed")
}

/// A `python3` that can import `confluent_kafka` (librdkafka) and `kafka` (kafka-python, which shares no code with it).
///
/// # Errors
/// Python, pip or a package is missing and cannot be installed here.
pub fn python_clients() -> Result<PathBuf> {
    if let Some(python) = python_with_clients() {
        return Ok(python);
    }
    let python = program("python3", &["python3"])?;
    let pip = |more: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "install", "--quiet", "confluent-kafka", "kafka-python"]);
        process::run_quiet(command.args(more))
    };
    if process::run_quiet(Command::new(&python).args(["-m", "pip", "--version"])).is_err() {
        apt_install(&["python3-pip"])?;
    }
    // Debian marks its Python as externally managed. A per-user package is what that mark leaves to us.
    pip(&[])
        .or_else(|_marked| pip(&["--break-system-packages"]))
        .context("install confluent-kafka and kafka-python by pip")?;
    python_with_clients()
        .context("confluent-kafka and kafka-python are installed but python3 cannot import them")
}

/// The same, if it is there already.
#[must_use]
pub fn python_with_clients() -> Option<PathBuf> {
    let python = process::find("python3")?;
    process::run_quiet(Command::new(&python).args(["-c", "import confluent_kafka, kafka"])).ok()?;
    Some(python)
}

/// `cargo deny`, installed by cargo when missing (about three minutes, once per machine).
///
/// # Errors
/// It cannot be installed.
pub fn cargo_deny() -> Result<()> {
    if process::find("cargo-deny").is_some() {
        return Ok(());
    }
    output::say(format_args!("installing cargo-deny {CARGO_DENY_VERSION} (once per machine)"));
    let mut install = cargo::command("install");
    install.args([
        "cargo-deny",
        "--locked",
        "--no-default-features",
        "--quiet",
        "--version",
        CARGO_DENY_VERSION,
    ]);
    process::run(&mut install).context("install cargo-deny")
}

/// `name` on the path, else installed from the first of `packages` that the system has.
fn program(name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = process::find(name) {
        return Ok(path);
    }
    let mut refusal = anyhow!("no package is known");
    for package in packages {
        match apt_install(&[package]) {
            Ok(()) => {
                return process::find(name).with_context(|| format!("{package} is installed without {name}"));
            }
            Err(error) => refusal = error.context(format!("install {package}")),
        }
    }
    Err(refusal.context(format!("{name} is missing, and was not installed")))
}

fn apt_install(packages: &[&str]) -> Result<()> {
    static UPDATED: OnceLock<bool> = OnceLock::new();
    if !process::is_root() || process::find("apt-get").is_none() {
        bail!("only done by apt-get as root");
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Another apt on the machine is waited for.
        command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
        process::run_quiet(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    UPDATED.get_or_init(|| apt(&["update"]).is_ok());
    output::say(format_args!("installing {} by apt-get", packages.join(" ")));
    apt(&[&["install", "--no-install-recommends"], packages].concat()).map(|_text| ())
}
