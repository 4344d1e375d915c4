//! Plays steps on a worker.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::answer::Normaliser;
use super::http::{self, Answer, Request};
use super::render::Renderer;
use super::theme::Step;
use crate::process;

/// The properties that both workers run with, beside those that say where things are.
#[must_use]
pub fn worker_properties() -> Vec<(&'static str, &'static str)> {
    vec![
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("offset.flush.interval.ms", "500"),
        ("consumer.session.timeout.ms", "6000"),
        ("consumer.heartbeat.interval.ms", "1000"),
        ("config.providers", "file,env"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ]
}

/// One worker and the words that stand for what only this run has.
#[derive(Debug)]
pub struct Player {
    address: String,
    words: Vec<(String, String)>,
    normaliser: Normaliser,
}

impl Player {
    /// Plays on the worker at `address` (`host:port`). `dir` is for the files that steps write, `id` makes the names of
    /// topics unique.
    ///
    /// # Errors
    /// The worker does not answer.
    pub fn new(address: &str, dir: &Path, id: &str) -> Result<Player> {
        let get = Request { line: b"GET /".to_vec(), headers: Vec::new(), body: None };
        let info = http::send(address, &get).context("ask the worker")?;
        let info: Value = serde_json::from_slice(&info.body).context("parse the root's answer")?;
        let cluster = info["kafka_cluster_id"].as_str().context("the root's answer has no cluster")?;
        let words = [("dir", dir.display().to_string()), ("id", id.to_owned()), ("rest", address.to_owned())];
        let mut normaliser = Normaliser::default();
        normaliser.replace(cluster, "cluster");
        for (word, text) in &words {
            normaliser.replace(text, word);
        }
        let words = words.map(|(word, text)| (word.to_owned(), text)).to_vec();
        Ok(Player { address: address.to_owned(), words, normaliser })
    }

    /// Does what a step says and gives the answer's lines. `wait` is how long it may wait for the answer that it wants.
    ///
    /// # Errors
    /// The worker cannot be reached, a file cannot be written, or the awaited answer does not come.
    pub fn play(&self, step: &Step, renderer: &mut Renderer, wait: Duration) -> Result<Vec<String>> {
        let body = step.body.as_ref().map(|lines| self.filled(&lines.join("\n")));
        if let Some(file) = step.file() {
            let path = String::from_utf8(self.filled(file)).context("a path is text")?;
            let lines = body.map(|body| [body.as_slice(), b"\n"].concat());
            fs::write(&path, lines.unwrap_or_default()).with_context(|| format!("write {path}"))?;
            return Ok(Vec::new());
        }
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let is_given = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if body.is_some() && !step.headers.iter().any(is_given) {
            headers.push(("Content-Type".to_owned(), b"application/json".to_vec()));
        }
        let given = step.headers.iter().filter(|(_, value)| !value.is_empty());
        headers.extend(given.map(|(name, value)| (name.clone(), self.filled(value))));
        let request = Request { line: self.filled(&step.request), headers, body };
        let mut last = String::new();
        let answer = process::wait_for("the awaited answer", wait, || {
            let answer = http::send(&self.address, &request)?;
            let text = self.normaliser.text(&String::from_utf8_lossy(&answer.body));
            let is_there = step.until.iter().all(|awaited| text.contains(awaited.as_str()))
                && !step.until_not.iter().any(|awaited| text.contains(awaited.as_str()));
            last = format!("{} {text}", answer.status);
            Ok(is_there.then_some(answer))
        })
        .with_context(|| format!("{}: the last answer was {last}", step.name()))?;
        Ok(renderer.lines(&answer, &self.normaliser))
    }

    /// Deletes every connector, so that the next theme begins as this one did.
    ///
    /// # Errors
    /// The worker cannot be reached, or a connector stays.
    pub fn clean_up(&self, wait: Duration) -> Result<()> {
        let get = Request { line: b"GET /connectors".to_vec(), headers: Vec::new(), body: None };
        process::wait_for("the end of all connectors", wait, || {
            let names: Vec<String> = serde_json::from_slice(&http::send(&self.address, &get)?.body)?;
            for name in &names {
                let line = format!("DELETE /connectors/{}", percent_encoded(name)).into_bytes();
                let Answer { status, .. } =
                    http::send(&self.address, &Request { line, headers: Vec::new(), body: None })?;
                if ![204, 404, 409, 500].contains(&status) {
                    bail!("DELETE of {name:?} gives {status}");
                }
            }
            Ok(names.is_empty().then_some(()))
        })
    }

    /// Replaces `{word}`, `{byte FF}` and `{repeat N TEXT}`; other braces are text.
    fn filled(&self, text: &str) -> Vec<u8> {
        let mut filled = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.extend(rest[..at].bytes());
            rest = &rest[at..];
            let end = rest.find('}').unwrap_or(0);
            match self.placeholder(rest.get(1..end).unwrap_or("")) {
                Some(bytes) => {
                    filled.extend(bytes);
                    rest = &rest[end + 1..];
                }
                None => {
                    filled.push(b'{');
                    rest = &rest[1..];
                }
            }
        }
        filled.extend(rest.bytes());
        filled
    }

    fn placeholder(&self, inner: &str) -> Option<Vec<u8>> {
        if let Some((_, text)) = self.words.iter().find(|(word, _)| word == inner) {
            return Some(text.clone().into_bytes());
        }
        if let Some(hex) = inner.strip_prefix("byte ") {
            return hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        }
        let (count, text) = inner.strip_prefix("repeat ")?.split_once(' ')?;
        Some(text.repeat(count.parse().ok()?).into_bytes())
    }
}

fn percent_encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_left() {
        let player = Player {
            address: String::new(),
            words: vec![("dir".to_owned(), "/tmp/x".to_owned())],
            normaliser: Normaliser::default(),
        };
        let filled = player.filled(r#"{"f":"{dir}/a","n":{}} {repeat 3 ab}{byte C3 BC}{"#);
        assert_eq!(String::from_utf8(filled).unwrap(), r#"{"f":"/tmp/x/a","n":{}} abababü{"#);
    }
}
