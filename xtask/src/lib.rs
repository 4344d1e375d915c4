//! Everything that is not plain cargo: the one test command, real Kafka and Java Connect for tests, benchmark dispatch.
//!
//! It knows how to start programs and read what they print; it knows nothing of Kafka's protocol and links none of our
//! crates, so that it compiles in seconds. It is a library too: a test that needs a Java worker beside ours has `xtask` as
//! a dev-dependency and uses [`kafka`] and [`connect`].
//!
//! ```text
//! main ──► test ──► step runner ──► cargo fmt / clippy / doc / deny / test
//!   │       ├─────► tidy            (own checks, no program started)
//!   │       └─────► kafka ──► java  (jars by Maven, brokers, stopped on drop)
//!   ├─────► kafka::command          (fetch | start | stop | env | run)
//!   ├─────► bench                   (criterion, loadtest)
//!   ├─────► golden                  (what the Java worker answers, for the tests of ours)
//!   ├─────► vectors                 (what Java's converters give, for tests of ours)
//!   └─────► fuzz                    (libFuzzer)
//! ```

pub mod connect;
pub mod java;
pub mod kafka;

pub mod bench;
pub mod fuzz;
pub mod golden;
pub mod sim;
pub mod test;
pub mod tidy;
pub mod vectors;

pub mod cargo;
pub mod output;
pub mod paths;
pub mod process;
pub mod tools;
