//! The value of `sasl.jaas.config`, parsed as data: `class flag key="value" ... ;`. Nothing in it is ever loaded or run
//! (CVE-2023-25194): a class name only chooses among the modules that we know.

use std::iter::Peekable;
use std::str::Chars;

use indexmap::IndexMap;

use crate::net::Secret;
use crate::{Error, Result};

const DOING: &str = "parse sasl.jaas.config";

/// No honest value comes near it.
const TEXT_BYTES_MAX: usize = 256 * 1024;
const OPTION_COUNT_MAX: usize = 100;

/// One login module with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JaasConfig {
    /// The class name as written.
    pub module: String,
    /// How the module's failure counts; of no effect where there is only one.
    pub flag: ControlFlag,
    options: IndexMap<String, Secret>,
}

/// Java's control flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlFlag {
    /// It must succeed.
    Required,
    /// It must succeed, and the others are not tried when it fails.
    Requisite,
    /// It is enough.
    Sufficient,
    /// It may fail.
    Optional,
}

impl JaasConfig {
    /// Parses exactly one login module, as Kafka wants it.
    ///
    /// # Errors
    /// `Config`, with what was expected where. The text is not repeated: it holds passwords.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::too_large(DOING, text.len(), TEXT_BYTES_MAX, "bytes of sasl.jaas.config"));
        }
        let mut tokens = Tokens { chars: text.chars().peekable(), offset: 0 };
        let Some(module) = tokens.next()? else {
            return Err(Error::config(DOING, "no login module is specified"));
        };
        let module = module.word("the class of a login module")?;
        let flag = tokens.expect("a control flag")?.word("a control flag")?;
        let flag = match flag.to_ascii_lowercase().as_str() {
            "required" => ControlFlag::Required,
            "requisite" => ControlFlag::Requisite,
            "sufficient" => ControlFlag::Sufficient,
            "optional" => ControlFlag::Optional,
            _ => {
                return Err(Error::config(
                    DOING,
                    "the control flag after the login module is none of required, requisite, sufficient, optional",
                ));
            }
        };
        let mut options = IndexMap::new();
        loop {
            let key = match tokens.expect("an option or ';'")? {
                Token::End => break,
                token => token.word("the name of an option")?,
            };
            let Token::Equals = tokens.expect("'='")? else {
                // What stands there may be a password that was written without its '=': it is not repeated.
                return Err(Error::config(
                    DOING,
                    format!("option number {} has no '=' behind its name", options.len() + 1),
                ));
            };
            let value = match tokens.expect("a value")? {
                Token::Word(text) | Token::Quoted(text) => text,
                Token::Equals | Token::End => {
                    return Err(Error::config(DOING, format!("value of option '{key}' is not specified")));
                }
            };
            if options.len() == OPTION_COUNT_MAX {
                return Err(Error::too_large(DOING, OPTION_COUNT_MAX + 1, OPTION_COUNT_MAX, "options"));
            }
            if options.insert(key.clone(), Secret::new(value)).is_some() {
                return Err(Error::config(DOING, format!("option '{key}' is given twice")));
            }
        }
        if tokens.next()?.is_some() {
            return Err(Error::config(
                DOING,
                "only one login module may be given, and nothing after its ';'",
            ));
        }
        Ok(Self { module, flag, options })
    }

    /// The value of an option.
    pub fn option(&self, key: &str) -> Option<&Secret> {
        self.options.get(key)
    }

    /// All options, in their order.
    pub fn options(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value))
    }
}

enum Token {
    Word(String),
    Quoted(String),
    Equals,
    End,
}

impl Token {
    fn word(self, what: &str) -> Result<String> {
        match self {
            Self::Word(text) if !text.is_empty() => Ok(text),
            _ => Err(Error::config(DOING, format!("{what} is expected"))),
        }
    }
}

struct Tokens<'a> {
    chars: Peekable<Chars<'a>>,
    offset: usize,
}

impl Tokens<'_> {
    fn bump(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.offset += usize::from(next.is_some());
        next
    }

    fn expect(&mut self, what: &str) -> Result<Token> {
        let token = self.next()?;
        token.ok_or_else(|| {
            Error::config(DOING, format!("{what} is expected at its end: is the ';' missing?"))
        })
    }

    fn next(&mut self) -> Result<Option<Token>> {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {
            self.offset += 1;
        }
        let Some(first) = self.bump() else { return Ok(None) };
        Ok(Some(match first {
            '=' => Token::Equals,
            ';' => Token::End,
            quote @ ('"' | '\'') => Token::Quoted(self.quoted(quote)?),
            first => {
                let mut word = String::from(first);
                while let Some(next) =
                    self.chars.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\''))
                {
                    self.offset += 1;
                    word.push(next);
                }
                Token::Word(word)
            }
        }))
    }

    /// The escapes of `java.io.StreamTokenizer`, which is what reads it in Java.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let start = self.offset;
        let mut text = String::new();
        loop {
            match self.bump() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(self.escaped(start)?),
                Some('\n' | '\r') | None => return Err(unclosed(start)),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self, start: usize) -> Result<char> {
        let Some(c) = self.bump() else { return Err(unclosed(start)) };
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0'..='7' => {
                // Up to three octal digits, the third only where the sum stays below 256.
                let digits_max = if c <= '3' { 3 } else { 2 };
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 1..digits_max {
                    let Some(digit) = self.chars.next_if(|c| c.is_digit(8)) else { break };
                    self.offset += 1;
                    value = value * 8 + digit.to_digit(8).unwrap_or(0);
                }
                char::from_u32(value).unwrap_or('\u{fffd}')
            }
            other => other,
        })
    }
}

fn unclosed(start: usize) -> Error {
    Error::config(DOING, format!("the quotation that begins at character {start} does not end on its line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

    #[test]
    fn parses_what_operators_write() {
        let text =
            format!("{PLAIN} required\n  username=\"alice\"  password='a\\\"b;=\\101\\\\ c' debug=true;  ");
        let jaas = JaasConfig::parse(&text).unwrap();
        assert_eq!((jaas.module.as_str(), jaas.flag), (PLAIN, ControlFlag::Required));
        let options: Vec<_> = jaas.options().map(|(key, value)| (key, value.expose())).collect();
        assert_eq!(options, [("username", "alice"), ("password", "a\"b;=A\\ c"), ("debug", "true")]);
        assert!(!format!("{jaas:?}").contains("alice"), "{jaas:?}");
    }

    #[test]
    fn says_what_is_wrong_without_repeating_it() {
        for (text, expected) in [
            (String::new(), "no login module"),
            (format!("{PLAIN};"), "a control flag is expected"),
            (format!("{PLAIN} maybe;"), "none of required"),
            (format!("{PLAIN} required user"), "is the ';' missing?"),
            (format!("{PLAIN} required user;"), "option number 1 has no '='"),
            (format!("{PLAIN} required username=u password:canary;"), "option number 2 has no '='"),
            (format!("{PLAIN} required password=;"), "value of option 'password'"),
            (format!("{PLAIN} required password=\"canary"), "does not end on its line"),
            (format!("{PLAIN} required password=\"canary\\"), "does not end on its line"),
            (format!("{PLAIN} required password=\"canary\""), "is the ';' missing?"),
            (format!("{PLAIN} required a=canary a=canary;"), "given twice"),
            (format!("{PLAIN} required; {PLAIN} required;"), "only one login module"),
            ("\"quoted\" required;".to_owned(), "the class of a login module"),
        ] {
            let error = JaasConfig::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(JaasConfig::parse(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _either = JaasConfig::parse(&text);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[^\n\r]{0,50}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let jaas = JaasConfig::parse(&format!("{PLAIN} required v=\"{quoted}\";")).unwrap();
            proptest::prop_assert_eq!(jaas.option("v").unwrap().expose(), value);
        }
    }
}
