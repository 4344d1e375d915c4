//! Errors in the form of a Java stack trace: what status answers show and what operators' scripts look for.

use std::error::Error as _;
use std::fmt::Write as _;

use super::java_class;

/// The error and its causes as Java prints a throwable: class and message, a frame, `Caused by:` for each cause.
///
/// There are no Java frames to show; the one frame says where in Aqueduct the error was given up on. The causes have it in common,
/// which Java abbreviates.
pub fn trace(error: &api::Error, place: &str) -> String {
    let mut text =
        format!("{}\n\tat aqueduct.{place}(Aqueduct)\n", throwable(error.java_class(), error.message()));
    let mut cause = error.source();
    let mut last = (error.java_class().to_owned(), error.message().to_owned());
    while let Some(error) = cause {
        let this = match error.downcast_ref::<api::Error>() {
            Some(error) => (error.java_class().to_owned(), error.message().to_owned()),
            None => (java_class::of(error).to_owned(), error.to_string()),
        };
        // One that only wraps another one of our world says nothing new.
        if this != last {
            writeln!(text, "Caused by: {}\n\t... 1 more", throwable(&this.0, &this.1))
                .expect("writing to a string does not fail");
            last = this;
        }
        cause = error.source();
    }
    text
}

/// Java's `Throwable#toString`. An exception without a message is its class and nothing else.
fn throwable(class: &str, message: &str) -> String {
    if message.is_empty() { class.to_owned() } else { format!("{class}: {message}") }
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
             Caused by: org.apache.kafka.connect.errors.DataException: Converting byte[] to Kafka Connect data failed\n\
             \t... 1 more\n"
        );
    }

    #[test]
    fn an_exception_without_a_message_is_its_class() {
        assert_eq!(throwable("java.lang.RuntimeException", ""), "java.lang.RuntimeException");
    }

    #[test]
    fn names_javas_exceptions_for_what_is_none_of_ours() {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file: /x");
        let error = api::Error::fatal("failed to open /x").with_source(missing);
        let trace = trace(&api::Error::fatal("task").with_source(error), "pipeline.source");
        let lines: Vec<_> = trace.lines().filter(|line| !line.starts_with('\t')).collect();
        assert_eq!(
            lines,
            [
                "org.apache.kafka.connect.errors.ConnectException: task",
                "Caused by: org.apache.kafka.connect.errors.ConnectException: failed to open /x",
                "Caused by: java.nio.file.NoSuchFileException: no such file: /x",
            ]
        );
    }
}
