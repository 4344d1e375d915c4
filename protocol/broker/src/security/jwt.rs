//! Unsecured JSON web tokens (RFC 7515, appendix A.5): whoever sends one is believed, which is for tests only.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// What a token claims.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) expires_ms: i64,
}

/// The claims of a token that is unsecured and not expired.
pub(super) fn parse(token: &str, now_ms: i64) -> Result<Claims, &'static str> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(""), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it is no unsecured token in compact form");
    };
    let decode = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
    };
    if decode(header).is_none_or(|header| header["alg"] != "none") {
        return Err("its algorithm is not 'none'");
    }
    let claims = decode(claims).ok_or("its claims are no JSON")?;
    let subject = claims["sub"].as_str().filter(|name| !name.is_empty()).ok_or("it has no 'sub'")?.to_owned();
    let expires_s = claims["exp"].as_f64().ok_or("it has no 'exp'")?;
    // A cast saturates, so that no number can do harm.
    let expires_ms = (expires_s * 1_000.0) as i64;
    if expires_ms <= now_ms {
        return Err("it is expired");
    }
    Ok(Claims { subject, expires_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", encode(header), encode(claims))
    }

    #[test]
    fn takes_only_unsecured_tokens_that_are_still_good() {
        let none = r#"{"alg":"none"}"#;
        let good = token(none, r#"{"sub":"u","exp":2.5}"#);
        assert_eq!(parse(&good, 1_000), Ok(Claims { subject: "u".to_owned(), expires_ms: 2_500 }));
        assert_eq!(parse(&good, 2_500), Err("it is expired"));
        for bad in [
            String::new(),
            "..".to_owned(),
            format!("{good}x"),
            token(r#"{"alg":"RS256"}"#, r#"{"sub":"u","exp":9}"#),
            token(none, r#"{"exp":9}"#),
            token(none, r#"{"sub":"u"}"#),
            token(none, r#"{"sub":"u","exp":"x"}"#),
            token(none, "nothing"),
        ] {
            assert!(parse(&bad, 0).is_err(), "{bad}");
        }
    }
}
