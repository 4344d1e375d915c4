//! An answer as lines that a person reads. The keys of a plug-in, a hundred lines of JSON in each answer, stand once in a
//! dictionary; an answer then says which keys in which order, and which values are not the default.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::answer::Normaliser;
use super::http::Answer;
use super::listings::Listings;

/// Longer JSON is broken into one line for each element.
const LINE_CHARS_MAX: usize = 150;

/// Width of a list of keys.
const LIST_CHARS_MAX: usize = 120;

/// Headers that are part of an answer, beside the content type.
const HEADERS: [&str; 4] = ["location", "allow", "access-control-allow-origin", "x-golden"];

/// Definitions of keys by id, and the sequences of ids that answers have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    definitions: Vec<(String, Value)>,
    /// The recommended values that a key mostly has.
    recommended: Vec<(String, Value)>,
    shapes: Vec<Vec<String>>,
}

/// Turns answers into lines.
#[derive(Debug, Clone, Default)]
pub struct Renderer {
    /// What is known; recording adds to it.
    pub dictionary: Dictionary,
    /// Classes that are not compared.
    pub listings: Listings,
    /// Keys that are not in the dictionary are said, not added.
    pub is_frozen: bool,
}

impl Dictionary {
    /// Reads the dictionary's file.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn load(path: &Path) -> Result<Dictionary> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut dictionary = Dictionary::default();
        for line in text.lines() {
            if let Some((id, json)) = line.strip_prefix("recommended ").and_then(|rest| rest.split_once(' '))
            {
                let json = serde_json::from_str(json).with_context(|| format!("parse {line}"))?;
                dictionary.recommended.push((id.to_owned(), json));
            } else if line.starts_with("shape ") {
                dictionary.shapes.push(Vec::new());
            } else if let Some(ids) = line.strip_prefix("  ") {
                let shape = dictionary.shapes.last_mut().context("keys before the first shape")?;
                shape.extend(ids.split(' ').map(str::to_owned));
            } else if let Some((id, json)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
                let json = serde_json::from_str(json).with_context(|| format!("parse {line}"))?;
                dictionary.definitions.push((id.to_owned(), json));
            }
        }
        Ok(dictionary)
    }

    /// Writes the dictionary's file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut lines = vec!["# Written by `cargo xtask golden`: every definition of a key, then every sequence of keys that an answer has.".to_owned()];
        lines.extend(self.definitions.iter().map(|(id, json)| format!("{id} {json}")));
        lines.extend(self.recommended.iter().map(|(id, json)| format!("recommended {id} {json}")));
        for (shape, number) in self.shapes.iter().zip(1..) {
            lines.push(format!("shape {number}"));
            lines.extend(wrapped(shape).into_iter().map(|line| format!("  {line}")));
        }
        fs::write(path, lines.join("\n") + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// The ids of a shape, by its number.
    #[must_use]
    pub fn shape(&self, number: usize) -> Option<&[String]> {
        self.shapes.get(number.checked_sub(1)?).map(Vec::as_slice)
    }

    /// The definition with this id.
    #[must_use]
    pub fn definition(&self, id: &str) -> Option<&Value> {
        self.definitions.iter().find(|(other, _)| other == id).map(|(_, json)| json)
    }

    /// The id of a definition; a new one is added.
    fn id(&mut self, definition: &Value) -> String {
        if definition.is_null() {
            return "-".to_owned();
        }
        if let Some((id, _)) = self.definitions.iter().find(|(_, known)| known == definition) {
            return id.clone();
        }
        let name = definition["name"].as_str().unwrap_or("?").replace([' ', '\n'], "_");
        let namesakes = self.definitions.iter().filter(|(id, _)| id.split('#').next() == Some(&name)).count();
        let id = if namesakes == 0 { name } else { format!("{name}#{}", namesakes + 1) };
        self.definitions.push((id.clone(), definition.clone()));
        id
    }

    fn number(&mut self, ids: Vec<String>) -> usize {
        let known = self.shapes.iter().position(|shape| *shape == ids);
        known.unwrap_or_else(|| {
            self.shapes.push(ids);
            self.shapes.len() - 1
        }) + 1
    }
}

impl Renderer {
    /// The answer's lines.
    pub fn lines(&mut self, answer: &Answer, normaliser: &Normaliser) -> Vec<String> {
        if answer.status == 0 {
            return vec!["closed".to_owned()];
        }
        let kind = answer.header("content-type").unwrap_or("");
        let mut lines = vec![format!("{} {kind}", answer.status).trim_end().to_owned()];
        for header in HEADERS {
            let value = answer.header(header).map(|value| normaliser.text(value));
            let value = value.map(|value| if header == "allow" { sorted(&value) } else { value });
            lines.extend(value.map(|value| format!("{header}: {value}")));
        }
        match normaliser.body(answer) {
            Ok(Value::Object(fields))
                if fields.contains_key("configs") && fields.contains_key("error_count") =>
            {
                self.validation(fields, &mut lines);
            }
            Ok(Value::Array(keys))
                if !keys.is_empty() && keys.iter().all(|key| key.get("default_value").is_some()) =>
            {
                let ids = keys.iter().map(|key| self.dictionary.id(key)).collect();
                lines.push(self.shape(ids));
            }
            Ok(json) => lines.extend(broken(&json)),
            // Methods come in the order of a hash set that differs from one JVM to the next.
            Err(text) if answer.header("allow").is_some() => lines.push(sorted(&text)),
            Err(text) => lines.extend(text.lines().map(|line| line.trim_end().to_owned())),
        }
        lines
    }

    fn validation(&mut self, mut fields: Map<String, Value>, lines: &mut Vec<String>) {
        let Some(Value::Array(configs)) = fields.shift_remove("configs") else { return };
        let mut ids = Vec::with_capacity(configs.len());
        let mut special = Vec::new();
        for config in &configs {
            let id = self.dictionary.id(&config["definition"]);
            let value = self.unusual(&id, &config["definition"], &config["value"]);
            special.extend(value.map(|value| format!("  {id} {value}")));
            ids.push(id);
        }
        lines.push(Value::Object(fields).to_string());
        lines.push(self.shape(ids));
        lines.extend(special);
    }

    fn shape(&mut self, ids: Vec<String>) -> String {
        if !self.is_frozen || self.dictionary.shapes.contains(&ids) {
            return format!("shape {}", self.dictionary.number(ids));
        }
        let only = |left: &[String], right: &[String]| {
            left.iter().filter(|id| !right.contains(id)).cloned().collect::<Vec<_>>()
        };
        let shapes = self.dictionary.shapes.iter().zip(1..);
        let nearest = shapes.min_by_key(|(shape, _)| only(shape, &ids).len() + only(&ids, shape).len());
        let Some((shape, number)) = nearest else { return format!("shape {}", ids.join(" ")) };
        format!(
            "shape {number} without [{}] and with [{}]",
            only(shape, &ids).join(" "),
            only(&ids, shape).join(" ")
        )
    }

    /// What of a value is not as expected of its key.
    fn unusual(&mut self, id: &str, definition: &Value, value: &Value) -> Option<Value> {
        let recommended = &value["recommended_values"];
        if !definition.is_null() && !self.dictionary.recommended.iter().any(|(other, _)| other == id) {
            self.dictionary.recommended.push((id.to_owned(), recommended.clone()));
        }
        let mostly =
            self.dictionary.recommended.iter().find(|(other, _)| other == id).map(|(_, values)| values);
        let is_usual_list =
            mostly.is_some_and(|mostly| self.listings.values(mostly) == self.listings.values(recommended));
        let usual = serde_json::json!({
            "name": definition["name"], "value": definition["default_value"],
            "recommended_values": if is_usual_list { recommended.clone() } else { Value::Null },
            "errors": [], "visible": true,
        });
        let (Some(fields), Some(usual)) = (value.as_object(), usual.as_object()) else {
            return Some(value.clone());
        };
        if definition.is_null() || !fields.keys().eq(usual.keys()) {
            return Some(value.clone());
        }
        let unusual: Map<_, _> = fields
            .iter()
            .filter(|(name, field)| usual[*name] != **field)
            .map(|(name, field)| (name.clone(), self.listings.values(field)))
            .collect();
        (!unusual.is_empty()).then_some(Value::Object(unusual))
    }
}

fn sorted(list: &str) -> String {
    let mut items: Vec<_> = list.split(',').map(str::trim).collect();
    items.sort_unstable();
    items.join(", ")
}

fn broken(json: &Value) -> Vec<String> {
    let line = json.to_string();
    if line.chars().count() <= LINE_CHARS_MAX {
        return vec![line];
    }
    let (open, close, items): (_, _, Vec<String>) = match json {
        Value::Array(items) => ("[", "]", items.iter().map(Value::to_string).collect()),
        Value::Object(fields) if !fields.contains_key("error_code") => {
            let field = |(name, value): (&String, &Value)| format!("{}:{value}", Value::from(name.as_str()));
            ("{", "}", fields.iter().map(field).collect())
        }
        _ => return vec![line],
    };
    let mut lines = vec![open.to_owned()];
    let last = items.len().saturating_sub(1);
    lines.extend(
        items.iter().enumerate().map(|(at, item)| format!("  {item}{}", if at < last { "," } else { "" })),
    );
    lines.push(close.to_owned());
    lines
}

fn wrapped(ids: &[String]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for id in ids {
        let is_full =
            lines.last().is_some_and(|line| !line.is_empty() && line.len() + id.len() > LIST_CHARS_MAX);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(id);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: &Value) -> Answer {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Answer { status: 200, headers, body: body.to_string().into_bytes() }
    }

    fn validation(default: &str, value: &str) -> Value {
        let definition = json!({"name": "k", "type": "INT", "default_value": default});
        let value =
            json!({"name": "k", "value": value, "recommended_values": [], "errors": [], "visible": true});
        json!({"name": "C", "error_count": 0, "groups": [], "configs": [{"definition": definition, "value": value}]})
    }

    #[test]
    fn a_validation_names_its_keys_and_what_is_unusual() {
        let mut renderer = Renderer::default();
        let mut lines = |body| renderer.lines(&answer(&body), &Normaliser::default()).split_off(1);
        let head = r#"{"name":"C","error_count":0,"groups":[]}"#;
        assert_eq!(lines(validation("1", "1")), [head, "shape 1"]);
        assert_eq!(lines(validation("1", "2")), [head, "shape 1", r#"  k {"value":"2"}"#]);
        assert_eq!(lines(validation("2", "2")), [head, "shape 2"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        renderer.dictionary.save(file.path()).unwrap();
        assert_eq!(Dictionary::load(file.path()).unwrap(), renderer.dictionary);
        assert_eq!(renderer.dictionary.shape(2).unwrap(), ["k#2"]);
    }

    #[test]
    fn long_answers_have_a_line_for_each_element() {
        let long = "x".repeat(LINE_CHARS_MAX);
        let lines = Renderer::default().lines(&answer(&json!([long, 1])), &Normaliser::default());
        assert_eq!(lines, ["200 application/json", "[", &format!("  \"{long}\","), "  1", "]"]);
    }
}
