//! Levels by the name of a logger, as Log4j 2 keeps them: a name has the level that was set for it, or its nearest ancestor's.

use std::collections::{BTreeMap, BTreeSet};

use tracing::level_filters::LevelFilter;

use super::names;

/// How Java's REST calls the ancestor of all loggers.
const ROOT: &str = "root";

/// Loggers that requests have made; they live as long as the process.
const LOGGERS_MAX: usize = 1_000;

/// A level, under Log4j's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Nothing.
    Off,
    /// Nothing of ours: no line of ours is fatal.
    Fatal,
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what helps to find a fault.
    Debug,
    /// And everything else.
    Trace,
    /// As [`Level::Trace`].
    All,
}

impl Level {
    /// Reads a name in any case; blanks around it do not count.
    pub fn parse(text: &str) -> Option<Level> {
        use Level::{All, Debug, Error, Fatal, Info, Off, Trace, Warn};
        let named = |level: &Level| format!("{level:?}").eq_ignore_ascii_case(text.trim());
        [Off, Fatal, Error, Warn, Info, Debug, Trace, All].into_iter().find(named)
    }

    /// What of our own lines it lets through.
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Level::Off | Level::Fatal => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace | Level::All => LevelFilter::TRACE,
        }
    }

    pub(super) fn of_filter(filter: LevelFilter) -> Level {
        match filter {
            LevelFilter::OFF => Level::Off,
            LevelFilter::ERROR => Level::Error,
            LevelFilter::WARN => Level::Warn,
            LevelFilter::INFO => Level::Info,
            LevelFilter::DEBUG => Level::Debug,
            LevelFilter::TRACE => Level::Trace,
        }
    }
}

/// `LoggerLevel`: what REST shows of a logger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LoggerLevel {
    /// Its level, its own or inherited.
    pub level: Level,
    /// When a request last changed it, in ms since the epoch.
    pub last_modified: Option<i64>,
}

/// Requests have made as many loggers as are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {LOGGERS_MAX} loggers already; set the level of one that exists, or of one of their prefixes"
)]
pub struct TooMany;

/// A level that was set, and how late: where a line has several loggers, the one that was set last decides.
#[derive(Debug, Clone, Copy)]
struct Setting {
    level: Level,
    turn: u64,
}

/// All loggers of the process.
#[derive(Debug)]
pub struct Loggers {
    root: Setting,
    settings: BTreeMap<String, Setting>,
    /// Those that exist, with a level of their own or without.
    names: BTreeSet<String>,
    modified: BTreeMap<String, i64>,
    turn: u64,
}

impl Loggers {
    /// Loggers for all parts that Java has too, at this level.
    pub fn new(root: Level) -> Loggers {
        Loggers {
            root: Setting { level: root, turn: 0 },
            settings: BTreeMap::new(),
            names: names::java_names().collect(),
            modified: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Sets what everything inherits at the start of the process.
    pub(super) fn set_initial(&mut self, root: Level) {
        self.root.level = root;
    }

    /// Every logger that is not off, by name.
    pub fn list(&self) -> BTreeMap<&str, LoggerLevel> {
        let all = self.names.iter().map(String::as_str).chain([ROOT]);
        all.map(|name| (name, self.shown(name))).filter(|(_, shown)| shown.level != Level::Off).collect()
    }

    /// One logger; `None` where nobody has ever named it.
    pub fn get(&self, name: &str) -> Option<LoggerLevel> {
        if is_root(name) {
            return Some(self.shown(ROOT));
        }
        self.names.contains(name).then(|| self.shown(name))
    }

    /// Sets the level of a logger, made if need be, and of every one with a level of its own whose name starts with that name.
    /// Answers with the names whose level is another one now.
    ///
    /// # Errors
    /// When there are too many loggers for one more.
    pub fn set(&mut self, name: &str, level: Level, now_ms: i64) -> Result<Vec<String>, TooMany> {
        let is_root = is_root(name);
        if !is_root && !self.names.contains(name) && self.names.len() >= LOGGERS_MAX {
            return Err(TooMany);
        }
        if !is_root {
            self.names.insert(name.to_owned());
        }
        let before: Vec<Level> = self.names.iter().map(|name| self.setting(name).level).collect();
        self.turn += 1;
        let setting = Setting { level, turn: self.turn };
        if is_root {
            if self.root.level != level {
                self.modified.insert(ROOT.to_owned(), now_ms);
            }
            self.root = setting;
            self.settings.values_mut().for_each(|other| *other = setting);
        } else {
            self.settings.insert(name.to_owned(), setting);
            let prefixed = self.settings.range_mut(name.to_owned()..);
            for (_, other) in prefixed.take_while(|(other, _)| other.starts_with(name)) {
                *other = setting;
            }
        }
        let changed =
            self.names.iter().zip(before).filter(|(name, before)| self.setting(name).level != *before);
        let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        self.modified.extend(changed.iter().map(|name| (name.clone(), now_ms)));
        Ok(changed)
    }

    /// Grows with every level that is set.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// What of a module's lines is written.
    pub(super) fn of_target(&self, target: &str) -> LevelFilter {
        let settings = names::of_target(target).into_iter().map(|name| self.setting(&name));
        settings.max_by_key(|setting| setting.turn).unwrap_or(self.root).level.filter()
    }

    /// The most that is written of anything.
    pub(super) fn most(&self) -> LevelFilter {
        let levels = self.settings.values().map(|setting| setting.level.filter());
        levels.fold(self.root.level.filter(), LevelFilter::max)
    }

    fn shown(&self, name: &str) -> LoggerLevel {
        LoggerLevel { level: self.setting(name).level, last_modified: self.modified.get(name).copied() }
    }

    fn setting(&self, name: &str) -> Setting {
        let mut name = name;
        loop {
            if let Some(setting) = self.settings.get(name) {
                return *setting;
            }
            match name.rsplit_once('.') {
                Some((parent, _)) => name = parent,
                None => return self.root,
            }
        }
    }
}

fn is_root(name: &str) -> bool {
    name.eq_ignore_ascii_case(ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(loggers: &mut Loggers, name: &str, level: &str) -> String {
        loggers.set(name, Level::parse(level).unwrap(), 7).unwrap().join(" ")
    }

    /// Recorded from Java 4.3.0.
    #[test]
    fn answers_are_those_of_log4j() {
        let mut loggers = Loggers::new(Level::Info);
        assert_eq!(set(&mut loggers, "aa.bb", "DEBUG"), "aa.bb");
        assert_eq!(set(&mut loggers, "aa.bb.cc", "debug"), "");
        assert_eq!(
            loggers.get("aa.bb.cc").unwrap(),
            LoggerLevel { level: Level::Debug, last_modified: None }
        );
        assert_eq!(set(&mut loggers, "aa", " WARN "), "aa aa.bb aa.bb.cc");
        assert_eq!(
            set(&mut loggers, "aa.b", "ERROR"),
            "aa.b aa.bb aa.bb.cc",
            "a prefix of the text, not of the path"
        );
        assert_eq!(set(&mut loggers, "aa.bb.d", "ERROR"), "");
        assert_eq!(set(&mut loggers, "aa", "ERROR"), "aa");
        assert_eq!(set(&mut loggers, "aa", "TRACE"), "aa aa.b aa.bb aa.bb.cc aa.bb.d");
        assert_eq!(set(&mut loggers, "aabb", "TRACE"), "aabb");
        assert_eq!(set(&mut loggers, "aa", "INFO"), "aa aa.b aa.bb aa.bb.cc aa.bb.d aabb");
        assert_eq!(set(&mut loggers, "no.such", "INFO"), "");
        assert_eq!(loggers.get("no.such").unwrap().last_modified, None);
        assert_eq!(loggers.get("never"), None);
        assert_eq!(set(&mut loggers, "Root", "info"), "");
        assert!(set(&mut loggers, "root", "OFF").starts_with("aa aa.b aa.bb "));
        assert!(loggers.list().is_empty(), "those that are off are not listed");
        assert_eq!(loggers.get("ROOT").unwrap(), LoggerLevel { level: Level::Off, last_modified: Some(7) });
    }

    #[test]
    fn a_level_for_one_of_javas_names_has_its_effect() {
        let mut loggers = Loggers::new(Level::Info);
        let put = "engine::pipeline::sink::put";
        assert_eq!((loggers.of_target(put), loggers.most()), (LevelFilter::INFO, LevelFilter::INFO));
        let changed = set(&mut loggers, "org.apache.kafka.connect", "DEBUG");
        assert!(changed.contains("org.apache.kafka.connect.runtime.WorkerSinkTask"), "{changed}");
        assert_eq!((loggers.of_target(put), loggers.most()), (LevelFilter::DEBUG, LevelFilter::DEBUG));
        assert_eq!(loggers.of_target("protocol::cluster::nodes"), LevelFilter::INFO);
        set(&mut loggers, "io.aqueduct.engine.pipeline.sink", "TRACE");
        assert_eq!(loggers.of_target(put), LevelFilter::TRACE, "our own name was set last");
        set(&mut loggers, "org.apache.kafka.connect.runtime.WorkerSinkTask", "OFF");
        assert_eq!(loggers.of_target(put), LevelFilter::OFF);
        set(&mut loggers, "root", "WARN");
        assert_eq!((loggers.of_target(put), loggers.most()), (LevelFilter::WARN, LevelFilter::WARN));
    }

    #[test]
    fn reads_log4js_names() {
        for (text, level) in [("fatal", Level::Fatal), (" All ", Level::All), ("OFF", Level::Off)] {
            assert_eq!(Level::parse(text), Some(level));
        }
        assert_eq!((Level::parse("WARNING"), Level::parse(""), Level::parse("5")), (None, None, None));
    }

    #[test]
    fn names_that_are_made_up_for_ever_fill_nothing() {
        let mut loggers = Loggers::new(Level::Info);
        let outcomes: Vec<_> =
            (0..LOGGERS_MAX).map(|n| loggers.set(&format!("n{n}"), Level::Warn, 0)).collect();
        assert_eq!(outcomes.last(), Some(&Err(TooMany)));
        assert_eq!(loggers.names.len(), LOGGERS_MAX);
        assert!(loggers.set("n1", Level::Info, 0).is_ok(), "those that exist can still be set");
    }
}
