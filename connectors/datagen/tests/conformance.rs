//! The suite that every connector passes.

use api::Props;
use api::conformance::{SourceCase, source};
use connector_datagen::DatagenSource;

#[track_caller]
fn check(settings: &[(&str, &str)]) {
    let mut props: Props =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    props.insert("topic".to_owned(), "t".to_owned());
    props.insert("records".to_owned(), "1000".to_owned());
    props.insert("batch.size".to_owned(), "70".to_owned());
    source::<DatagenSource>(|| SourceCase { props: props.clone(), records: 1000, ends: true });
}

#[test]
fn conforms_at_full_speed_and_at_a_rate() {
    check(&[("rate", "-1")]);
    check(&[("rate", "20000"), ("format", "struct")]);
}
