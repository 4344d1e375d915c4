//! One JVM as a child: started with our jars and a log file, awaited by what it logs, ended by its own pid.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{self, Signal};
use crate::tools;

/// How much of a log goes into an error message.
const LOG_TAIL_LINES: usize = 30;

/// Log4j writes to the console at INFO, which is the log file here. Without a configuration it logs errors only and no line
/// would tell that a server is ready.
const LOG4J: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}{UTC}] %p %m (%c)%n
";

/// What to start.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Names the log file and stands in errors.
    pub name: &'a str,
    /// The class with `main`.
    pub class: &'a str,
    /// Folders of jars, searched in this order.
    pub class_path: &'a [&'a Path],
    /// Options for the JVM itself, such as `-Xmx768m`.
    pub jvm_options: &'a [&'a str],
}

/// A running JVM, killed on drop.
#[derive(Debug)]
pub struct Jvm {
    child: Child,
    name: String,
    log: PathBuf,
    is_detached: bool,
}

impl Jvm {
    /// Starts `program` with `arguments`; its log and log configuration go to `dir`.
    ///
    /// # Errors
    /// Java is missing or could not be started, or `dir` cannot be written.
    pub fn start<A: AsRef<OsStr>>(program: Program<'_>, arguments: &[A], dir: &Path) -> Result<Self> {
        Self::spawn(command(program, arguments, dir)?, program, dir)
    }

    /// Like [`Jvm::start`] for a program that outlives us: Ctrl-C on our terminal does not reach it.
    ///
    /// # Errors
    /// As [`Jvm::start`].
    pub fn start_in_background<A: AsRef<OsStr>>(
        program: Program<'_>,
        arguments: &[A],
        dir: &Path,
    ) -> Result<Self> {
        let mut command = command(program, arguments, dir)?;
        command.process_group(0);
        Self::spawn(command, program, dir)
    }

    fn spawn(mut command: Command, program: Program<'_>, dir: &Path) -> Result<Self> {
        let log = dir.join(format!("{}.log", program.name));
        let file = File::options().create(true).append(true).open(&log).context("create log file")?;
        command.stdin(Stdio::null()).stdout(file.try_clone().context("share log file")?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {}", program.name))?;
        Ok(Self { child, name: program.name.to_owned(), log, is_detached: false })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with all that it printed.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until `ready` gives a value.
    ///
    /// # Errors
    /// It ended first or `deadline` passed; both carry the end of its log.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut ready: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let (child, log, name) = (&mut self.child, &self.log, &self.name);
        process::wait_for(what, deadline, || {
            // The end is looked at before the log, so that a last line is never missed.
            let ended = child.try_wait().with_context(|| format!("look after {name}"))?;
            let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let found = ready(&text.unwrap_or_default());
            match ended {
                Some(status) if found.is_none() => bail!("{name} ended with {status} before {what}"),
                _ => Ok(found),
            }
        })
        .with_context(|| format!("its log {} ends with\n{}", self.log.display(), self.log_tail()))
    }

    /// Asks it to stop, as an operator would, and waits; after `deadline` it is killed.
    ///
    /// # Errors
    /// It had to be killed.
    pub fn stop(mut self, deadline: Duration) -> Result<()> {
        process::signal(Signal::Term, &[self.pid()])?;
        let child = &mut self.child;
        process::wait_for("a clean stop", deadline, || child.try_wait().context("look after the process"))
            .with_context(|| format!("stop {}", self.name))?;
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Leaves it running and gives its pid.
    #[must_use]
    pub fn detach(mut self) -> u32 {
        self.is_detached = true;
        self.pid()
    }

    fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn log_tail(&self) -> String {
        let text =
            fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        if !self.is_detached {
            self.end();
        }
    }
}

/// Runs `program` to its end and gives what it printed.
///
/// # Errors
/// Java is missing, or it ended with another code than 0; then the error holds what it printed.
pub fn run<A: AsRef<OsStr>>(program: Program<'_>, arguments: &[A], dir: &Path) -> Result<String> {
    process::run_quiet(&mut command(program, arguments, dir)?)
        .with_context(|| format!("run {}", program.name))
}

/// Compiles the Java sources of a folder against the jars of another. The classes are in the one jar of the folder that it gives, because
/// class paths are folders of jars here.
///
/// # Errors
/// Java or its compiler is missing, or it refuses the sources.
pub fn compile(sources: &Path, libs: &Path) -> Result<TempDir> {
    tools::java()?;
    let classes = tempfile::tempdir().context("create a folder for classes")?;
    let sources: Vec<PathBuf> = fs::read_dir(sources)
        .with_context(|| format!("list {}", sources.display()))?
        .filter_map(|entry| {
            Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|it| it == "java"))
        })
        .collect();
    // The compiler and the archiver lie beside the virtual machine.
    let tool = |name: &str| Command::new(process::find(name).unwrap_or_else(|| PathBuf::from(name)));
    process::run_quiet(
        tool("javac")
            .args(["-encoding", "UTF-8", "-cp", &format!("{}/*", libs.display()), "-d"])
            .arg(classes.path())
            .args(sources),
    )
    .context("compile a Java program")?;
    let jars = tempfile::tempdir().context("create a folder for a jar")?;
    process::run_quiet(
        tool("jar").arg("cf").arg(jars.path().join("program.jar")).arg("-C").arg(classes.path()).arg("."),
    )
    .context("pack a Java program")?;
    Ok(jars)
}

fn command<A: AsRef<OsStr>>(program: Program<'_>, arguments: &[A], dir: &Path) -> Result<Command> {
    let log4j = dir.join("log4j2.properties");
    fs::write(&log4j, LOG4J).with_context(|| format!("write {}", log4j.display()))?;
    // Java itself expands `/*` to the jars of a folder.
    let class_path: Vec<String> =
        program.class_path.iter().map(|dir| format!("{}/*", dir.display())).collect();
    let mut command = Command::new(tools::java()?);
    command
        .args(program.jvm_options)
        .arg(format!("-Dlog4j2.configurationFile={}", log4j.display()))
        .args(["-cp", &class_path.join(":"), program.class])
        .args(arguments)
        // Without it, Java takes arguments for ASCII.
        .env("LC_ALL", "C.UTF-8")
        .current_dir(dir);
    Ok(command)
}

/// `count` different TCP ports of the loopback interface that nobody listens on now. Another process may take one before it is
/// used, so whoever starts a server on them must be ready to try again.
///
/// # Errors
/// The loopback interface has no free port.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    // All are held until the last one is known, or the system might give the same one twice.
    let listeners = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<io::Result<Vec<_>>>()
        .context("find free ports")?;
    let port = |listener: &TcpListener| Ok(listener.local_addr().context("find a free port")?.port());
    listeners.iter().map(port).collect()
}

/// The text of a Java properties file.
#[must_use]
pub fn properties<K: AsRef<str>, V: AsRef<str>>(entries: &[(K, V)]) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        text.push_str(key.as_ref());
        text.push('=');
        escape(value.as_ref(), &mut text);
        text.push('\n');
    }
    text
}

/// Values are read as ISO 8859-1 with escapes of Java's (`java.util.Properties#load`).
fn escape(value: &str, text: &mut String) {
    for (index, character) in value.char_indices() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            ' ' if index == 0 => text.push_str("\\ "),
            ' '..='~' => text.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let can_be_bound = || {
            let ports = free_ports(8).unwrap();
            // All at once, so that two of the same are not.
            let bound = ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)));
            bound.collect::<io::Result<Vec<_>>>().is_ok()
        };
        // Another program may take one before it is bound here, but not each time.
        assert!((0..10).any(|_| can_be_bound()));
    }

    #[test]
    fn values_survive_the_properties_format() {
        assert_eq!(properties(&[("a.b", "host:9=#!")]), "a.b=host:9=#!\n");
        assert_eq!(
            properties(&[("k", " C:\\x\ny\t\u{e9}\u{1f600}")]),
            "k=\\ C:\\\\x\\ny\\u0009\\u00e9\\ud83d\\ude00\n"
        );
    }

    fn shell(script: &str, dir: &Path) -> Jvm {
        let program = Program { name: "shell", class: "", class_path: &[], jvm_options: &[] };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Jvm::spawn(command, program, dir).unwrap()
    }

    #[test]
    fn an_early_end_is_told_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let error = shell("echo no disk left; exit 4", dir.path())
            .wait_for("the ready line", Duration::from_secs(10), |log| log.contains("ready").then_some(()))
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("no disk left") && text.contains("before the ready line"), "{text}");
    }

    #[test]
    fn drop_ends_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let mut jvm = shell("echo ready; exec tail -f /dev/null", dir.path());
        let pid = jvm.pid();
        jvm.wait_for("ready", Duration::from_secs(10), |log| log.contains("ready").then_some(())).unwrap();
        drop(jvm);
        assert!(!process::is_running(pid));
    }

    #[test]
    fn stop_lets_it_clean_up() {
        let dir = tempfile::tempdir().unwrap();
        let script = "tail -f /dev/null & trap 'kill $!; echo saved; exit 0' TERM; echo ready; wait";
        let mut jvm = shell(script, dir.path());
        jvm.wait_for("ready", Duration::from_secs(10), |log| log.contains("ready").then_some(())).unwrap();
        let log = jvm.log().to_owned();
        jvm.stop(Duration::from_secs(10)).unwrap();
        assert!(fs::read_to_string(log).unwrap().contains("saved"));
    }
}
