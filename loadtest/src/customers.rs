//! The JSON that is measured, also by `benches/pipeline_json.rs`: made by number, so that nothing has to be kept.

/// A record of about 145 bytes.
pub(crate) fn record(number: i64) -> String {
    format!(
        r#"{{"id":{},"name":"customer-{:06}","mail":"customer-{:06}@example.org","price":{}.25,"active":{},"created":{},"city":"Trondheim"}}"#,
        100_000 + number % 900_000,
        number % 1_000_000,
        number % 1_000_000,
        number % 977,
        number % 2 == 0,
        1_700_000_000_000 + number
    )
}
