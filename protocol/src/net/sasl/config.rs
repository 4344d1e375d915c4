//! Which mechanism with which credentials, from `sasl.mechanism` and `sasl.jaas.config`.

use super::endpoint_config::AllowedUrls;
use super::jaas::JaasConfig;
use super::oauthbearer::OAuthConfig;
use super::scram::Hash;
use crate::net::{Env, Secret};
use crate::{Error, Result};

/// A name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who we are.
    pub username: String,
    /// The proof.
    pub password: Secret,
}

/// How to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslConfig {
    /// `PLAIN`.
    Plain(Credentials),
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    Scram(Hash, Credentials),
    /// `OAUTHBEARER`.
    OAuthBearer(OAuthConfig),
}

/// The mechanisms that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// RFC 5802 with RFC 7677's hash.
    ScramSha256,
    /// RFC 5802 with SHA-512.
    ScramSha512,
    /// RFC 7628.
    OAuthBearer,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::OAuthBearer];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    /// The mechanism of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// The login module that goes with it.
    fn module(self) -> &'static str {
        match self {
            Self::Plain => "org.apache.kafka.common.security.plain.PlainLoginModule",
            Self::ScramSha256 | Self::ScramSha512 => {
                "org.apache.kafka.common.security.scram.ScramLoginModule"
            }
            Self::OAuthBearer => "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
        }
    }
}

impl SaslConfig {
    /// Reads `sasl.mechanism`, `sasl.jaas.config` and what belongs to them; of token endpoints only those are taken that are
    /// `allowed`.
    ///
    /// # Errors
    /// `Config`, saying which key is wrong and what would be right.
    pub fn from_properties<'a>(get: impl Fn(&str) -> Option<&'a str>, allowed: &AllowedUrls) -> Result<Self> {
        const DOING: &str = "read SASL settings";
        let mechanism = get("sasl.mechanism").unwrap_or("GSSAPI").trim();
        let jaas = get("sasl.jaas.config");
        let Some(mechanism) = Mechanism::find(mechanism) else {
            let known = Mechanism::ALL.map(Mechanism::name).join(", ");
            return Err(Error::config(
                DOING,
                format!("sasl.mechanism={mechanism} is not supported: use one of {known}"),
            ));
        };
        let jaas = jaas.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            Error::config(
                DOING,
                format!(
                    "sasl.jaas.config is not set; sasl.mechanism={} needs '{} required ... ;'",
                    mechanism.name(),
                    mechanism.module()
                ),
            )
        })?;
        let jaas = JaasConfig::parse(jaas)?;
        if jaas.module != mechanism.module() {
            return Err(Error::config(
                DOING,
                format!(
                    "the login module of sasl.jaas.config is not allowed: sasl.mechanism={} takes only {}",
                    mechanism.name(),
                    mechanism.module()
                ),
            ));
        }
        Ok(match mechanism {
            Mechanism::Plain => Self::Plain(credentials(&jaas)?),
            Mechanism::ScramSha256 => Self::Scram(Hash::Sha256, credentials(&jaas)?),
            Mechanism::ScramSha512 => Self::Scram(Hash::Sha512, credentials(&jaas)?),
            Mechanism::OAuthBearer => Self::OAuthBearer(OAuthConfig::from_properties(&jaas, &get, allowed)?),
        })
    }

    /// Fetches what is fetched from elsewhere; what comes of it is kept for the authentications that follow.
    pub(in crate::net) async fn log_in(&self, env: &Env) -> Result<()> {
        match self {
            Self::OAuthBearer(oauth) => oauth.log_in(env).await,
            Self::Plain(_) | Self::Scram(..) => Ok(()),
        }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain(_) => Mechanism::Plain,
            Self::Scram(Hash::Sha256, _) => Mechanism::ScramSha256,
            Self::Scram(Hash::Sha512, _) => Mechanism::ScramSha512,
            Self::OAuthBearer(_) => Mechanism::OAuthBearer,
        }
    }
}

fn credentials(jaas: &JaasConfig) -> Result<Credentials> {
    const DOING: &str = "parse sasl.jaas.config";
    let option = |key: &str| {
        let value = jaas.option(key).filter(|value| !value.is_empty() && !value.expose().contains('\0'));
        value.ok_or_else(|| Error::config(DOING, format!("option '{key}' of the login module is not set")))
    };
    if jaas.option("tokenauth").is_some_and(|value| value.expose().eq_ignore_ascii_case("true")) {
        return Err(Error::config(DOING, "delegation tokens (tokenauth=true) are not supported"));
    }
    Ok(Credentials {
        username: option("username")?.expose().to_owned(),
        password: option("password")?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(mechanism: &str, jaas: Option<&str>) -> Result<SaslConfig> {
        let get = |key: &str| {
            if key == "sasl.mechanism" { Some(mechanism) } else { jaas.filter(|_| key == "sasl.jaas.config") }
        };
        SaslConfig::from_properties(get, &AllowedUrls::default())
    }

    #[test]
    fn only_the_mechanisms_own_module_is_taken() {
        let scram =
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=u password=canary;";
        let config = parse("SCRAM-SHA-512", Some(scram)).unwrap();
        assert_eq!(config.mechanism(), Mechanism::ScramSha512);
        assert!(!format!("{config:?}").contains("canary"), "{config:?}");
        for (mechanism, jaas, expected) in [
            ("PLAIN", Some(scram), "takes only org.apache.kafka.common.security.plain.PlainLoginModule"),
            ("PLAIN", Some("com.sun.security.auth.module.JndiLoginModule required;"), "not allowed"),
            ("GSSAPI", Some(scram), "sasl.mechanism=GSSAPI is not supported"),
            ("PLAIN", None, "sasl.jaas.config is not set"),
            ("PLAIN", Some(" "), "sasl.jaas.config is not set"),
        ] {
            let error = parse(mechanism, jaas).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn name_and_password_have_to_be_there() {
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        for options in
            ["", "username=u", "password=p", "username=\"\" password=p", "username=u password=\"\\0\""]
        {
            assert!(parse("PLAIN", Some(&format!("{module} {options};"))).is_err(), "{options}");
        }
    }
}
