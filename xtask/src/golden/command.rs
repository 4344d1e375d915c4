//! `cargo xtask golden`: plays the transcript on the real Java worker and writes down what it answers.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Args;

use super::play::{Player, worker_properties};
use super::render::{Dictionary, Renderer};
use super::theme::{Theme, transcript_dir};
use crate::connect::JavaWorker;
use crate::kafka::{BOOTSTRAP_VARIABLE, Broker, Libs};
use crate::{output, paths};

/// How long a step may wait for the answer that it wants.
const WAIT: Duration = Duration::from_secs(20);

/// A Java worker stops within this, or is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// What to record.
#[derive(Debug, Args)]
pub struct Options {
    /// Only these themes (files of worker/tests/golden/transcript, without ending); all by default
    themes: Vec<String>,
    /// Change nothing: fail where Java answers otherwise than recorded
    #[arg(long)]
    check: bool,
}

/// Where the definitions of keys are.
#[must_use]
pub fn dictionary_path() -> PathBuf {
    paths::root().join("worker/tests/golden/definitions.txt")
}

/// Records, or checks what was recorded.
///
/// # Errors
/// Kafka or Java cannot be had, the transcript cannot be read, or Java does not give an answer that a step waits for.
pub fn run(options: &Options) -> Result<ExitCode> {
    let themes = Theme::load_all(&transcript_dir())?;
    let libs = Libs::fetch()?;
    let bootstrap = std::env::var(BOOTSTRAP_VARIABLE);
    let broker = if bootstrap.is_err() { Some(Broker::start(&libs)?) } else { None };
    let bootstrap = match &broker {
        Some(broker) => broker.bootstrap().to_owned(),
        None => bootstrap.unwrap_or_default(),
    };
    // A whole recording begins a new dictionary, so that nothing stays that no answer has any more.
    let is_partial = options.check || !options.themes.is_empty();
    let dictionary = if is_partial {
        Dictionary::load(&dictionary_path()).unwrap_or_default()
    } else {
        Dictionary::default()
    };
    let mut renderer = Renderer { dictionary, ..Renderer::default() };
    let mut recorder = Recorder { libs, bootstrap, shared: None, failed: 0 };
    let (mut steps, mut changed) = (0, 0);
    for theme in themes {
        if !options.themes.is_empty() && !options.themes.contains(&theme.name) {
            continue;
        }
        let recorded = recorder.record(&theme, &mut renderer)?;
        let differing: Vec<_> =
            theme.steps().zip(recorded.steps()).filter(|(old, new)| old.java != new.java).collect();
        for (old, new) in differing.iter().filter(|(old, _)| !old.java.is_empty()) {
            output::say(format_args!("{}: {} changes", theme.name, old.name()));
            if options.check {
                output::say(format_args!(
                    "  was\n    {}\n  is\n    {}",
                    old.java.join("\n    "),
                    new.java.join("\n    ")
                ));
            }
        }
        changed += differing.len();
        steps += recorded.steps().filter(|step| step.file().is_none()).count();
        if !options.check {
            recorded.save(&transcript_dir())?;
        }
    }
    if let Some((worker, _)) = recorder.shared.take() {
        worker.stop(STOP_DEADLINE).ok();
    }
    if !options.check {
        renderer.dictionary.save(&dictionary_path())?;
    }
    output::say(format_args!(
        "{steps} requests, {changed} answers changed, {} without answer",
        recorder.failed
    ));
    Ok(if recorder.failed > 0 || options.check && changed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

struct Recorder {
    libs: Libs,
    bootstrap: String,
    /// One worker serves all themes that need no other.
    shared: Option<(JavaWorker, tempfile::TempDir)>,
    /// Steps that waited in vain.
    failed: usize,
}

impl Recorder {
    fn record(&mut self, theme: &Theme, renderer: &mut Renderer) -> Result<Theme> {
        output::say(format_args!("recording {}", theme.name));
        if let Some(own) = &theme.worker {
            let dir = tempfile::tempdir().context("create a folder")?;
            let worker = self.start(&dir, own)?;
            let recorded = play(theme, &worker, renderer, false, &mut self.failed)?;
            worker.stop(STOP_DEADLINE).ok();
            return Ok(recorded);
        }
        if self.shared.is_none() {
            let dir = tempfile::tempdir().context("create a folder")?;
            self.shared = Some((self.start(&dir, &[])?, dir));
        }
        let (worker, _) = self.shared.as_ref().context("there is a worker")?;
        play(theme, worker, renderer, true, &mut self.failed)
    }

    fn start(&self, dir: &tempfile::TempDir, own: &[(String, String)]) -> Result<JavaWorker> {
        let mut properties = worker_properties();
        properties.extend(own.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let offsets = dir.path().join("offsets");
        let plugins = self.libs.test_plugins();
        JavaWorker::standalone_with_plugins(&self.libs, &self.bootstrap, &offsets, &properties, &[&plugins])
    }
}

fn play(
    theme: &Theme,
    worker: &JavaWorker,
    renderer: &mut Renderer,
    cleans_up: bool,
    failed: &mut usize,
) -> Result<Theme> {
    let dir = tempfile::Builder::new().prefix("golden-").tempdir().context("create a folder")?;
    let id = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let address = worker.rest().trim_start_matches("http://");
    let player = Player::new(address, dir.path(), &format!("id{id}"))?;
    let mut recorded = theme.clone();
    for step in recorded.steps_mut() {
        match player.play(step, renderer, WAIT) {
            Ok(answer) => step.java = answer,
            Err(error) => {
                output::say(format_args!("{}: {error:#}", theme.name));
                *failed += 1;
            }
        }
    }
    if cleans_up {
        player.clean_up(WAIT).with_context(|| format!("after {}", theme.name))?;
    }
    fs::remove_dir_all(dir.path()).ok();
    Ok(recorded)
}
