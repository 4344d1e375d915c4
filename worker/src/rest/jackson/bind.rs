//! Tokens to the fields of a class, with Jackson's messages for what does not fit (`DeserializationContext`).

use std::borrow::Cow;

use indexmap::IndexMap;

use super::lexer::{Lexer, Place, SOURCE, SyntaxError, Token};

/// What a value is read into.
#[derive(Debug)]
pub(in super::super) enum Kind {
    /// `java.lang.String`: any scalar, as it was written.
    Text,
    /// Any value (`java.lang.Object`).
    Any,
    /// An enumeration that reads its constants itself.
    Enum {
        /// Its class.
        class: &'static str,
        /// How messages name it.
        constants: &'static str,
        /// The constants there are, in capitals.
        names: &'static [&'static str],
    },
    /// `java.util.LinkedHashMap` from text to something.
    Map {
        /// The type with its parameters.
        class: &'static str,
        /// What the values are.
        values: &'static Kind,
    },
    /// `java.util.ArrayList`.
    List {
        /// The type with its parameters.
        class: &'static str,
        /// What the items are.
        items: &'static Kind,
    },
    /// A class with named fields.
    Bean {
        /// Its name.
        class: &'static str,
        /// Fields in the order of its constructor.
        fields: &'static [(&'static str, &'static Kind)],
        /// The same in the order in which messages name them.
        known: &'static str,
    },
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Node {
    /// `null`.
    Null,
    /// A string, or a scalar read as text.
    Text(String),
    /// An integer as it was written.
    Int(String),
    /// Another number as it was written.
    Float(String),
    /// `true` or `false`.
    Boolean(bool),
    /// Items.
    List(Vec<Node>),
    /// Fields or entries; of equal keys the last counts, in the first one's place.
    Map(IndexMap<String, Node>),
}

impl Node {
    /// Takes a field out.
    pub(in super::super) fn take(&mut self, field: &str) -> Option<Node> {
        match self {
            Node::Map(fields) => fields.shift_remove(field).filter(|node| *node != Node::Null),
            _ => None,
        }
    }
}

/// Reads a whole body. `None` is a body that is empty or `null`.
///
/// # Errors
/// Jackson's message.
pub(in super::super) fn read(body: &[u8], kind: &Kind) -> Result<Option<Node>, String> {
    let body = utf8(body);
    let mut reader = Reader { lexer: Lexer::new(&body), path: Vec::new() };
    let node = match reader.lexer.next() {
        Ok(Token::End) => return Ok(None),
        Ok(token) => reader.value(token, kind),
        Err(error) => Err(Failure::Syntax(error)),
    };
    let node = node.map_err(|failure| reader.message(failure))?;
    match reader.lexer.next() {
        Ok(Token::End) => Ok(Some(node).filter(|node| *node != Node::Null)),
        Ok(token) => Err(format!(
            "Trailing token (of type {}) found after value (bound as `{}`): not allowed as per \
             `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`\n at {}",
            token.name(),
            class(kind),
            reader.lexer.token_place.text()
        )),
        Err(SyntaxError(message)) => Err(message),
    }
}

/// Bodies may come as UTF-16, told by a mark or by the zero in the first character (`ByteSourceJsonBootstrapper`).
fn utf8(body: &[u8]) -> Cow<'_, [u8]> {
    let (is_big, start) = match body {
        [0xFE, 0xFF, ..] => (true, 2),
        [0xFF, 0xFE, ..] => (false, 2),
        [0, 1..=255, ..] => (true, 0),
        [1..=255, 0, ..] => (false, 0),
        _ => return Cow::Borrowed(body),
    };
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    let units: Vec<u16> = body[start..].chunks_exact(2).map(unit).collect();
    Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
}

/// What Jackson says where it is asked for a value and there is none.
pub(in super::super) fn no_content() -> String {
    format!("No content to map due to end-of-input\n at {SOURCE}1]")
}

/// Where in the classes a value belongs.
#[derive(Debug)]
enum Step {
    Field(&'static str, String),
    Index(&'static str, usize),
}

enum Failure {
    Syntax(SyntaxError),
    Mismatch(String, Place),
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Failure {
        Failure::Syntax(error)
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    /// Jackson puts it at the end of every message.
    path: Vec<Step>,
}

impl Reader<'_> {
    fn message(&self, failure: Failure) -> String {
        let message = match failure {
            Failure::Syntax(SyntaxError(message)) => message,
            Failure::Mismatch(message, place) => format!("{message}\n at {}", place.text()),
        };
        if self.path.is_empty() {
            return message;
        }
        let steps: Vec<_> = self
            .path
            .iter()
            .map(|step| match step {
                Step::Field(class, field) => format!("{class}[\"{field}\"]"),
                Step::Index(class, index) => format!("{class}[{index}]"),
            })
            .collect();
        format!("{message} (through reference chain: {})", steps.join("->"))
    }

    fn value(&mut self, token: Token, kind: &Kind) -> Result<Node, Failure> {
        if token == Token::Null {
            return Ok(Node::Null);
        }
        match (kind, token) {
            (Kind::Any, token) => self.any(token),
            (Kind::Text | Kind::Enum { .. }, token @ (Token::StartObject | Token::StartArray)) => {
                Err(self.mismatch(kind, &token))
            }
            (Kind::Text, token) => Ok(Node::Text(self.scalar(token)?)),
            (Kind::Enum { constants, names, .. }, token) => {
                let place = self.lexer.token_place;
                let text = self.scalar(token)?.to_uppercase();
                if names.contains(&text.as_str()) {
                    return Ok(Node::Text(text));
                }
                let message = format!(
                    "Cannot construct instance of `{}`, problem: No enum constant {constants}.{text}",
                    class(kind)
                );
                Err(Failure::Mismatch(message, place))
            }
            (Kind::Map { values, .. }, Token::StartObject) => self.map(values),
            (Kind::List { items, .. }, Token::StartArray) => self.list(items),
            (Kind::Bean { class, fields, known }, Token::StartObject) => self.bean(class, fields, known),
            (Kind::Map { .. } | Kind::List { .. } | Kind::Bean { .. }, token) => self.unfit(kind, token),
        }
    }

    fn any(&mut self, token: Token) -> Result<Node, Failure> {
        Ok(match token {
            Token::StartObject => return self.map(&Kind::Any),
            Token::StartArray => return self.list(&Kind::Any),
            Token::Text => Node::Text(self.lexer.text()?),
            Token::Int(text) => Node::Int(text),
            Token::Float(text) => Node::Float(text),
            Token::True => Node::Boolean(true),
            Token::False => Node::Boolean(false),
            Token::Null | Token::EndObject | Token::EndArray | Token::Field(_) | Token::End => Node::Null,
        })
    }

    fn scalar(&mut self, token: Token) -> Result<String, Failure> {
        Ok(match token {
            Token::Text => self.lexer.text()?,
            Token::Int(text) | Token::Float(text) => text,
            Token::True => "true".to_owned(),
            _ => "false".to_owned(),
        })
    }

    fn map(&mut self, values: &Kind) -> Result<Node, Failure> {
        let mut map = IndexMap::new();
        while let Token::Field(key) = self.lexer.next()? {
            let token = self.lexer.next()?;
            self.path.push(Step::Field("java.util.LinkedHashMap", key.clone()));
            let value = self.value(token, values)?;
            self.path.pop();
            map.insert(key, value);
        }
        Ok(Node::Map(map))
    }

    fn list(&mut self, items: &Kind) -> Result<Node, Failure> {
        let mut list = Vec::new();
        loop {
            let token = self.lexer.next()?;
            if token == Token::EndArray {
                return Ok(Node::List(list));
            }
            self.path.push(Step::Index("java.util.ArrayList", list.len()));
            list.push(self.value(token, items)?);
            self.path.pop();
        }
    }

    fn bean(
        &mut self,
        class: &'static str,
        fields: &[(&'static str, &'static Kind)],
        known: &str,
    ) -> Result<Node, Failure> {
        let mut bean = IndexMap::new();
        let mut unknown = None;
        while let Token::Field(name) = self.lexer.next()? {
            let token = self.lexer.next()?;
            let Some((name, kind)) = fields.iter().find(|(field, _)| *field == name) else {
                // Once all fields are there Jackson has made the object and complains at once.
                if unknown.is_none() && bean.len() == fields.len() {
                    return Err(self.unknown(class, name, fields.len(), known));
                }
                unknown.get_or_insert(name);
                self.skip(&token)?;
                continue;
            };
            self.path.push(Step::Field(class, (*name).to_owned()));
            let value = self.value(token, kind)?;
            self.path.pop();
            bean.insert((*name).to_owned(), value);
        }
        match unknown {
            Some(name) => Err(self.unknown(class, name, fields.len(), known)),
            None => Ok(Node::Map(bean)),
        }
    }

    fn unknown(&mut self, class: &'static str, name: String, count: usize, known: &str) -> Failure {
        let count =
            if count == 1 { "one known property".to_owned() } else { format!("{count} known properties") };
        let message = format!(
            "Unrecognized field \"{name}\" (class {class}), not marked as ignorable ({count}: {known})"
        );
        self.path.push(Step::Field(class, name));
        Failure::Mismatch(message, self.lexer.place())
    }

    /// Passes over a value; text is passed over by asking for the next token.
    fn skip(&mut self, token: &Token) -> Result<(), Failure> {
        if matches!(token, Token::StartObject | Token::StartArray) {
            let depth = self.lexer.depth();
            while self.lexer.depth() >= depth {
                self.lexer.next()?;
            }
        }
        Ok(())
    }

    /// A scalar, or the other kind of brackets, where an object or a list belongs.
    fn unfit(&mut self, kind: &Kind, token: Token) -> Result<Node, Failure> {
        let place = self.lexer.token_place;
        let simple = class(kind).split('<').next().unwrap_or_default();
        let is_map = matches!(kind, Kind::Map { .. });
        let none = |argument: &str, value: String| {
            format!(
                "Cannot construct instance of `{simple}` (although at least one Creator exists): no {argument}-argument \
                 constructor/factory method to deserialize from {value}"
            )
        };
        let message = match (kind, &token) {
            (Kind::Map { .. } | Kind::Bean { .. }, Token::Text) => {
                let text = self.lexer.text()?;
                let coerced =
                    if is_map { format!("element of `{simple}`") } else { format!("`{simple}` value") };
                match text.trim() {
                    "" if text.is_empty() => format!(
                        "Cannot coerce empty String (\"\") to {coerced} (but could if coercion was enabled using \
                         `CoercionConfig`)"
                    ),
                    "" => format!(
                        "Cannot coerce blank String (all whitespace) to {coerced} (but could if coercion was enabled using \
                         `CoercionConfig`)"
                    ),
                    _ => none("String", format!("String value ('{text}')")),
                }
            }
            (Kind::Bean { .. }, Token::Int(text)) => {
                let is_int = text.parse::<i32>().is_ok();
                let argument = match text.parse::<i64>() {
                    _ if is_int => "int/Int",
                    Ok(_) => "long/Long",
                    Err(_too_long) => "BigInteger",
                };
                none(argument, format!("Number value ({text})"))
            }
            (Kind::Bean { .. }, Token::Float(text)) => {
                none("double/Double", format!("Number value ({text})"))
            }
            (Kind::Bean { .. }, Token::True | Token::False) => {
                none("boolean/Boolean", format!("boolean value ({})", token == Token::True))
            }
            _ => return Err(self.mismatch(kind, &token)),
        };
        Err(Failure::Mismatch(message, place))
    }

    fn mismatch(&self, kind: &Kind, token: &Token) -> Failure {
        let value = match token {
            Token::StartObject => "Object value",
            Token::StartArray => "Array value",
            Token::Text => "String value",
            Token::Int(_) => "Integer value",
            Token::Float(_) => "Floating-point value",
            _ => "Boolean value",
        };
        let (class, token) = (class(kind), token.name());
        let message =
            format!("Cannot deserialize value of type `{class}` from {value} (token `JsonToken.{token}`)");
        Failure::Mismatch(message, self.lexer.token_place)
    }
}

fn class(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "java.lang.String",
        Kind::Any => "java.lang.Object",
        Kind::Enum { class, .. }
        | Kind::Map { class, .. }
        | Kind::List { class, .. }
        | Kind::Bean { class, .. } => class,
    }
}
