//! Which pages of other origins may read answers, as Jetty's `CrossOriginHandler` tells browsers. Nothing is refused here: a
//! request from elsewhere is answered as any other, and the browser keeps the answer from the page.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request};

use crate::config::CorsConfig;

/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE_S: &str = "60";

/// The headers that an answer to `request` gets.
pub(super) fn headers<B>(config: &CorsConfig, request: &Request<B>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.headers().get(ORIGIN) else { return headers };
    if !is_allowed(config, origin) {
        return headers;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        if let Ok(methods) = HeaderValue::from_str(&config.methods) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S));
    }
    headers
}

/// A browser may send several origins; one that is allowed is enough.
fn is_allowed(config: &CorsConfig, origin: &HeaderValue) -> bool {
    let Some(patterns) = &config.origins else { return true };
    let Ok(origins) = origin.to_str() else { return false };
    origins.split(' ').any(|origin| patterns.iter().any(|pattern| pattern.matches(origin)))
}

#[cfg(test)]
mod tests {
    use api::java_regex::JavaRegex;

    use super::*;

    fn shown(config: &CorsConfig, method: &str, origin: &str, asks_for: Option<&str>) -> String {
        let mut request = Request::builder().method(method).uri("/").header(ORIGIN, origin);
        if let Some(method) = asks_for {
            request = request.header(ACCESS_CONTROL_REQUEST_METHOD, method);
        }
        let headers = headers(config, &request.body(()).unwrap());
        let shown = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        shown.collect::<Vec<_>>().join(" | ")
    }

    /// Answers were recorded from Java Connect 4.3.0 with these settings.
    #[test]
    fn answers_as_jetty_does() {
        let patterns = ["(?i)http://a.example", "(?i)http://*.b.example"];
        let config = CorsConfig {
            origins: Some(patterns.map(|pattern| JavaRegex::new(pattern).unwrap()).to_vec()),
            methods: "GET,DELETE,PUT".to_owned(),
        };
        let allowed = |origin: &str| format!("vary: Origin | access-control-allow-origin: {origin}");
        for origin in
            ["http://a.example", "http://b.example", "HTTP://A.EXAMPLE", "http://evil http://a.example"]
        {
            assert_eq!(shown(&config, "GET", origin, None), allowed(origin));
            assert_eq!(shown(&config, "OPTIONS", origin, None), allowed(origin));
        }
        for origin in ["https://a.example", "http://x.b.example", "http://evil", "null"] {
            assert_eq!(shown(&config, "GET", origin, None), "vary: Origin");
            assert_eq!(shown(&config, "OPTIONS", origin, Some("PUT")), "vary: Origin");
        }
        let preflight = "access-control-allow-methods: GET,DELETE,PUT | access-control-allow-headers: Content-Type | \
                         access-control-max-age: 60";
        for method in ["PUT", "POST"] {
            let answer = shown(&config, "OPTIONS", "http://a.example", Some(method));
            assert_eq!(answer, format!("{} | {preflight}", allowed("http://a.example")));
        }
        let any = CorsConfig { origins: None, ..config };
        assert_eq!(shown(&any, "GET", "null", None), allowed("null"));
    }
}
