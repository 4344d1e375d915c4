//! Errors in the form of a Java stack trace: what status answers show and what operators' scripts look for.

use std::error::Error as _;
use std::fmt::Write as _;

/// The error and its causes as Java prints a throwable: class and message, a frame, `Caused by:` for each cause.
///
/// There are no Java frames to show; the one frame says where in Aqueduct the error was given up on.
pub fn trace(error: &api::Error, place: &str) -> String {
    let mut text = format!("{}: {}\n\tat aqueduct.{place}(Aqueduct)\n", error.java_class(), error.message());
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<api::Error>() {
            Some(error) => writeln!(text, "Caused by: {}: {}", error.java_class(), error.message()),
            None => writeln!(text, "Caused by: {error}"),
        }
        .expect("writing to a string does not fail");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_java_trace() {
        let cause = api::Error::bad_record("Converting byte[] to Kafka Connect data failed");
        let error = api::Error::fatal("Tolerance exceeded in error handler").with_source(cause);
        assert_eq!(
            trace(&error, "pipeline.sink"),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat aqueduct.pipeline.sink(Aqueduct)\n\
             Caused by: org.apache.kafka.connect.errors.DataException: Converting byte[] to Kafka Connect data failed\n"
        );
    }
}
