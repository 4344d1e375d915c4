//! Takes out of an answer what differs from run to run, and what is Java's text and not an answer.

use serde_json::Value;

use super::http::Answer;

/// Text of one run and the word that stands for it.
#[derive(Debug, Clone, Default)]
pub struct Normaliser {
    replacements: Vec<(String, String)>,
}

impl Normaliser {
    /// Has `word` in braces stand for `text`.
    pub fn replace(&mut self, text: &str, word: &str) {
        if !text.is_empty() {
            self.replacements.push((text.to_owned(), format!("{{{word}}}")));
            // Longer texts may contain shorter ones.
            self.replacements.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// Puts the words of this run where their texts stood.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// The body as JSON without what differs by run, or as text.
    pub(super) fn body(&self, answer: &Answer) -> Result<Value, String> {
        let text = self.text(&String::from_utf8_lossy(&answer.body));
        let Ok(mut json) = serde_json::from_str(&text) else {
            let kind = answer.header("content-type").unwrap_or("");
            return Err(match kind {
                _ if kind.contains("html") => "{page}".to_owned(),
                _ if kind.starts_with("text/plain; version=") => "{metrics}".to_owned(),
                _ => text,
            });
        };
        value(&mut json);
        Ok(json)
    }
}

fn value(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(value),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), &mut *field) {
                    // The answer to a restart has the tasks in the order of a hash set.
                    ("tasks", Value::Array(tasks)) if tasks.iter().all(|task| task["id"].is_i64()) => {
                        tasks.sort_by_key(|task| task["id"].as_i64());
                        tasks.iter_mut().for_each(value);
                    }
                    ("trace", Value::String(trace)) => *field = Value::from(without_frames(trace)),
                    // The order of a hash map, whose keys hold this run's folder.
                    ("offsets", Value::Array(offsets)) => {
                        offsets.iter_mut().for_each(value);
                        offsets.sort_by_cached_key(Value::to_string);
                    }
                    ("documentation", Value::String(text)) if !text.is_empty() => {
                        *field = Value::from("{doc}")
                    }
                    ("last_modified", Value::Number(_)) => *field = Value::from("{time}"),
                    ("commit", Value::String(_)) => *field = Value::from("{commit}"),
                    _ => value(field),
                }
            }
        }
        _ => {}
    }
}

/// Where in Java's code an exception arose is no part of the answer.
fn without_frames(trace: &str) -> String {
    let is_frame = |line: &&str| line.starts_with("\tat ") || line.trim_start().starts_with("... ");
    trace.lines().filter(|line| !is_frame(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_run_is_taken_out() {
        let mut normaliser = Normaliser::default();
        normaliser.replace("/tmp/x", "dir");
        normaliser.replace("/tmp/x/in", "in");
        let body = br#"{"file":"/tmp/x/a /tmp/x/in","last_modified":17,"z":[{"documentation":"words","trace":"E: m\n\tat a.b(C:1)\nCaused by: F: /tmp/x\n\t... 3 more\n"}],"commit":"12"}"#;
        let answer = Answer { status: 200, headers: Vec::new(), body: body.to_vec() };
        let expected = r#"{"file":"{dir}/a {in}","last_modified":"{time}","z":[{"documentation":"{doc}","trace":"E: m\nCaused by: F: {dir}"}],"commit":"{commit}"}"#;
        assert_eq!(normaliser.body(&answer).unwrap().to_string(), expected);
    }

    #[test]
    fn a_page_is_only_called_so() {
        let headers = vec![("content-type".to_owned(), "text/html;charset=utf-8".to_owned())];
        let answer = Answer { status: 400, headers, body: b"<html>".to_vec() };
        assert_eq!(Normaliser::default().body(&answer), Err("{page}".to_owned()));
    }
}
