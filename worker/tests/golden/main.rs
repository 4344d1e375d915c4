//! Goal: every client, script and habit that works with Java's standalone worker works with ours. Method: the transcript of
//! `worker/tests/golden/transcript`, with the answers that `cargo xtask golden` recorded from Java, is played on ours, and every
//! answer is compared. Where ours differs on purpose the transcript says how, and docs/java-differences.md why.
//!
//! With `GOLDEN_UPDATE=1` our answers are written into the transcript instead (marked `open` where they are new differences).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod differences;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use differences::Differences;
use support::{Broker, InProcess, unique, worker_properties};
use xtask::golden::{
    Dictionary, Listings, Player, Renderer, Step, Theme, command, transcript_dir,
    worker_properties as golden_properties,
};

/// Ours is there at once, or never.
const WAIT: Duration = Duration::from_secs(20);

/// What a new difference is marked with, until somebody mends it or finds its reason.
const OPEN: &str = "open";

/// Plays one theme on a worker of its own and says what differs.
fn play(theme: &mut Theme, bootstrap: &str, differences: &Differences, is_update: bool) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut more = golden_properties();
    let own = theme.worker.clone().unwrap_or_default();
    more.extend(own.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let properties = worker_properties(bootstrap, dir.path(), &more);
    let worker = InProcess::start(&properties, worker::built_in());
    let player = Player::new(&worker.rest.address, dir.path(), &unique("id")).unwrap();
    let dictionary = Dictionary::load(&command::dictionary_path()).unwrap();
    let mut renderer = Renderer { dictionary, listings: differences.listings.clone(), is_frozen: true };
    let mut found = Vec::new();
    let name = theme.name.clone();
    for step in theme.steps_mut() {
        let ours = match player.play(step, &mut renderer, WAIT) {
            Ok(ours) => ours,
            Err(error) => vec![format!("never: {error:#}")],
        };
        if is_update {
            update(step, ours, differences);
            continue;
        }
        if let Err(problem) = check(step, &ours, differences, &renderer.dictionary) {
            found.push(format!("{name}: {}\n{problem}", step.name()));
        }
    }
    found
}

/// Whether our answer is the expected one: Java's, or the one that stands in the transcript with its reason.
fn check(
    step: &Step,
    ours: &[String],
    differences: &Differences,
    dictionary: &Dictionary,
) -> Result<(), String> {
    let is_java = is_same(&step.java, ours, differences);
    let expected = match &step.difference {
        None if is_java => return Ok(()),
        None => &step.java,
        Some(reason) if !differences.reasons.contains(reason) => {
            return Err(format!("  docs/java-differences.md has no reason {reason:?}"));
        }
        Some(reason) if is_java => {
            return Err(format!("  no longer differs from Java: take out the lines of {reason:?}"));
        }
        Some(_) if is_same(&step.ours, ours, differences) => return Ok(()),
        Some(_) => &step.ours,
    };
    let shapes = shape_difference(expected, ours, dictionary);
    Err(format!("  expected\n    {}\n  ours\n    {}{shapes}", expected.join("\n    "), ours.join("\n    ")))
}

fn is_same(expected: &[String], ours: &[String], differences: &Differences) -> bool {
    let (expected, ours) = (differences.listings.lines(expected), differences.listings.lines(ours));
    expected == ours || differences::has_only_more_headers(&expected, &ours)
}

/// Which keys, and which of their definitions, two answers do not share.
fn shape_difference(expected: &[String], ours: &[String], dictionary: &Dictionary) -> String {
    let shape = |lines: &[String]| {
        let number = lines.iter().find_map(|line| line.strip_prefix("shape "))?.parse().ok()?;
        Some(dictionary.shape(number)?.to_vec())
    };
    let (Some(expected), Some(ours)) = (shape(expected), shape(ours)) else { return String::new() };
    let show = |mark: &str, left: &[String], right: &[String]| {
        let only = left.iter().filter(|id| !right.contains(id));
        let lines =
            only.map(|id| format!("\n    {mark} {:?}", dictionary.definition(id).map(ToString::to_string)));
        lines.collect::<String>()
    };
    let order = if expected == ours { "" } else { "\n  keys" };
    format!("{order}{}{}", show("java", &expected, &ours), show("ours", &ours, &expected))
}

fn update(step: &mut Step, ours: Vec<String>, differences: &Differences) {
    if is_same(&step.java, &ours, differences) {
        step.difference = None;
        step.ours.clear();
    } else if !is_same(&step.ours, &ours, differences) {
        step.difference.get_or_insert_with(|| OPEN.to_owned());
        step.ours = ours;
    }
}

#[test]
fn every_answer_is_javas_or_differs_for_a_reason() {
    let broker = Broker::start();
    let differences = Differences::load();
    let is_update = std::env::var_os("GOLDEN_UPDATE").is_some();
    let only = std::env::var("GOLDEN_THEME").ok();
    let mut themes = Theme::load_all(&transcript_dir()).unwrap();
    themes.retain(|theme| only.as_ref().is_none_or(|only| *only == theme.name));
    // Themes wait more than they compute: all of them play at once.
    let found: Vec<String> = std::thread::scope(|scope| {
        let (bootstrap, differences) = (&broker.bootstrap, &differences);
        let playing: Vec<_> = themes
            .iter_mut()
            .map(|theme| scope.spawn(move || play(theme, bootstrap, differences, is_update)))
            .collect();
        playing.into_iter().flat_map(|playing| playing.join().unwrap()).collect()
    });
    if is_update {
        themes.iter().for_each(|theme| theme.save(&transcript_dir()).unwrap());
    }
    assert!(found.is_empty(), "{} answers differ:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_transcript_is_long_enough_and_every_reason_is_used() {
    let themes = Theme::load_all(&transcript_dir()).unwrap();
    let requests: Vec<_> =
        themes.iter().flat_map(Theme::steps).filter(|step| step.file().is_none()).collect();
    assert!(requests.len() >= 400, "the transcript has {} requests", requests.len());
    assert!(requests.iter().all(|step| !step.java.is_empty()), "record all answers: cargo xtask golden");
    let used: BTreeSet<String> = requests.iter().filter_map(|step| step.difference.clone()).collect();
    let stated: BTreeSet<String> = Differences::load().reasons.into_iter().collect();
    assert_eq!(used, stated, "reasons in the transcript, and in docs/java-differences.md");
}

#[test]
fn no_text_of_javas_documentation_is_committed() {
    let dir = transcript_dir();
    let files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in files.into_iter().chain([command::dictionary_path()]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let texts = text.split("\"documentation\":\"").skip(1);
        assert!(
            texts.clone().all(|text| text.starts_with("{doc}\"") || text.starts_with('"')),
            "{}",
            file.display()
        );
    }
}

#[test]
fn classes_that_only_one_worker_has_are_still_so() {
    let differences = Differences::load();
    let ours = worker::config::Plugins::new(worker::built_in());
    let classes = ours.listed().map(|plugin| plugin.class);
    let java_only = Listings::without(differences.java_only.clone());
    let found: Vec<_> = classes.filter(|class| java_only.is_dropped(class)).collect();
    assert_eq!(found, [""; 0], "we have them now: take them out of docs/java-differences.md");
}
