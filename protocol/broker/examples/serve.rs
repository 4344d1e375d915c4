//! Runs the embedded broker until its standard input ends: `cargo run -p broker --example serve -- 127.0.0.1:9092`.

use std::io::{self, Read};

fn main() -> io::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let broker = broker::Broker::builder().spawn_thread(&address)?;
    #[expect(clippy::print_stdout, reason = "the address is what this example is for")]
    {
        println!("bootstrap.servers={}", broker.bootstrap_servers());
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    broker.shutdown();
    Ok(())
}
