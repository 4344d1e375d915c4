//! The suite that every connector passes.

use api::Props;
use api::conformance::{SinkCase, sink};
use connector_blackhole::BlackholeSink;

#[test]
fn conforms_at_every_tier() {
    for tier in ["bytes", "index", "columns"] {
        let props = Props::from_iter([("tier".to_owned(), tier.to_owned())]);
        sink::<BlackholeSink>(|| SinkCase { props: props.clone(), arrived: None });
    }
}
