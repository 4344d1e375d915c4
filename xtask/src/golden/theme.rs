//! The transcript's format: one file per theme, a step is a paragraph of lines, read and written back without loss.
//!
//! ```text
//! #! worker topic.tracking.enable=false     the theme needs a worker of its own, with this property
//!
//! # what this step shows                    names the step; without it the request line does
//! write {dir}/in.txt                        or: a file with the body as its content
//! POST /connectors                          the request line
//! Accept: text/plain                        headers; a body is sent as application/json unless told otherwise
//! > {"name":"c"}                            the body
//! ? "state":"RUNNING"                       ask again until the answer contains this ...
//! ?! "FAILED"                               ... and does not contain that
//! < 200 application/json                    Java's answer: written by `cargo xtask golden`, never by hand
//! < []
//! ! null-pointer                            ours differs, for the reason of this name in docs/java-differences.md
//! | 404 application/json                    ours
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

/// Where the themes are.
#[must_use]
pub fn transcript_dir() -> PathBuf {
    paths::root().join("worker/tests/golden/transcript")
}

/// One file of the transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// The file's name without its ending.
    pub name: String,
    /// Properties of the theme's own worker; `None` where any worker serves.
    pub worker: Option<Vec<(String, String)>>,
    /// Steps and the comments between them, in order.
    pub paragraphs: Vec<Paragraph>,
}

/// A paragraph of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paragraph {
    /// Lines for the reader.
    Comment(Vec<String>),
    /// Something to do.
    Step(Box<Step>),
}

/// One request, or a file to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub title: Option<String>,
    /// The request line without its version, or `write PATH`.
    pub request: String,
    /// Headers as written.
    pub headers: Vec<(String, String)>,
    /// Lines of the body; `None` is a request without body.
    pub body: Option<Vec<String>>,
    /// What the answer has to contain before it is taken.
    pub until: Vec<String>,
    /// What the answer must no longer contain before it is taken.
    pub until_not: Vec<String>,
    /// Java's answer.
    pub java: Vec<String>,
    /// Why ours differs.
    pub difference: Option<String>,
    /// Our answer, where it differs.
    pub ours: Vec<String>,
}

impl Step {
    /// The title, or else the request line.
    #[must_use]
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.request)
    }

    /// The file that it writes, if it is no request.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.request.strip_prefix("write ")
    }
}

impl Theme {
    /// Reads every theme, in the order of their names.
    ///
    /// # Errors
    /// A file cannot be read or has a line that means nothing.
    pub fn load_all(dir: &Path) -> Result<Vec<Theme>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
            paths.push(entry.context("read the transcript's folder")?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
        paths.sort();
        paths.iter().map(|path| Theme::load(path)).collect()
    }

    /// Reads one theme.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it means nothing.
    pub fn load(path: &Path) -> Result<Theme> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Theme::parse(&name, &text).with_context(|| format!("parse {}", path.display()))
    }

    /// Takes a file's text apart.
    ///
    /// # Errors
    /// A line means nothing where it stands.
    pub fn parse(name: &str, text: &str) -> Result<Theme> {
        let mut theme = Theme { name: name.to_owned(), worker: None, paragraphs: Vec::new() };
        let lines: Vec<&str> = text.lines().collect();
        for paragraph in lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()) {
            if paragraph.iter().all(|line| line.starts_with('#')) {
                for line in paragraph {
                    if let Some(property) = line.strip_prefix("#! worker") {
                        let worker = theme.worker.get_or_insert_default();
                        let property = property.trim().split_once('=');
                        worker.extend(property.map(|(key, value)| (key.to_owned(), value.to_owned())));
                    }
                }
                let lines = paragraph.iter().map(|&line| line.to_owned()).collect();
                theme.paragraphs.push(Paragraph::Comment(lines));
            } else {
                let step = parse_step(paragraph).with_context(|| format!("in\n{}", paragraph.join("\n")))?;
                theme.paragraphs.push(Paragraph::Step(Box::new(step)));
            }
        }
        Ok(theme)
    }

    /// Its steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.paragraphs.iter().filter_map(|paragraph| match paragraph {
            Paragraph::Step(step) => Some(&**step),
            Paragraph::Comment(_) => None,
        })
    }

    /// Its steps in order, to be filled in.
    pub fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.paragraphs.iter_mut().filter_map(|paragraph| match paragraph {
            Paragraph::Step(step) => Some(&mut **step),
            Paragraph::Comment(_) => None,
        })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let paragraphs = self.paragraphs.iter().map(|paragraph| match paragraph {
            Paragraph::Comment(lines) => lines.join("\n"),
            Paragraph::Step(step) => lines_of(step).join("\n"),
        });
        paragraphs.collect::<Vec<_>>().join("\n\n") + "\n"
    }

    /// Writes it to `dir`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(format!("{}.txt", self.name));
        fs::write(&path, self.text()).with_context(|| format!("write {}", path.display()))
    }
}

fn parse_step(lines: &[&str]) -> Result<Step> {
    let mut step = Step::default();
    for line in lines {
        let rest = |mark: &str| {
            line.strip_prefix(mark).map(|rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned())
        };
        if let Some(title) = rest("#") {
            ensure!(step.request.is_empty() && step.title.is_none(), "a title stands first, and once");
            step.title = Some(title);
        } else if step.request.is_empty() {
            ensure!(line.contains(' '), "{line:?} is no request");
            step.request = (*line).to_owned();
        } else if let Some(body) = rest(">") {
            step.body.get_or_insert_default().push(body);
        } else if let Some(text) = rest("?!") {
            step.until_not.push(text);
        } else if let Some(text) = rest("?") {
            step.until.push(text);
        } else if let Some(answer) = rest("<") {
            step.java.push(answer);
        } else if let Some(answer) = rest("|") {
            step.ours.push(answer);
        } else if let Some(reason) = rest("!") {
            step.difference = Some(reason);
        } else if let Some((name, value)) = line.split_once(':') {
            step.headers.push((name.to_owned(), value.trim().to_owned()));
        } else {
            bail!("{line:?} means nothing");
        }
    }
    ensure!(!step.request.is_empty(), "there is no request");
    Ok(step)
}

fn lines_of(step: &Step) -> Vec<String> {
    let mut lines: Vec<String> = step.title.iter().map(|title| format!("# {title}")).collect();
    lines.push(step.request.clone());
    lines.extend(step.headers.iter().map(|(name, value)| format!("{name}: {value}").trim_end().to_owned()));
    let mut all = |mark: &str, texts: &[String]| {
        lines.extend(texts.iter().map(|text| format!("{mark} {text}").trim_end().to_owned()));
    };
    all(">", step.body.as_deref().unwrap_or_default());
    all("?", &step.until);
    all("?!", &step.until_not);
    all("<", &step.java);
    all("!", step.difference.as_slice());
    all("|", &step.ours);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
#! worker a.b=c=d

# what it shows
POST /connectors
Content-Type:
> {\"a\":
>  1}
? RUNNING
?! FAILED
< 500
< x
! accident
| 400 application/json

write {dir}/in
>

GET /
";

    #[test]
    fn a_theme_is_written_as_it_was_read() {
        let theme = Theme::parse("t", TEXT).unwrap();
        assert_eq!(theme.text(), TEXT);
        assert_eq!(theme.worker, Some(vec![("a.b".to_owned(), "c=d".to_owned())]));
        let step = theme.steps().next().unwrap();
        assert_eq!(step.name(), "what it shows");
        assert_eq!(step.body.as_ref().unwrap().join("\n"), "{\"a\":\n 1}");
        assert_eq!(theme.steps().nth(1).unwrap().file(), Some("{dir}/in"));
    }

    #[test]
    fn a_line_means_something() {
        assert!(Theme::parse("t", "GET /\nwhat\n").is_err());
    }
}
