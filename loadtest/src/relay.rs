//! What the kernel takes for bytes that go from one socket to another: below that no mirror can be that copies them.
//!
//! Method: one thread writes as fast as it can into a loopback connection, as a broker that answers fetches; one reads the second
//! connection, as a broker that takes produced records; between them one reads a chunk whole and writes it, and does nothing else. Reported
//! is the CPU time of that thread alone, for as many bytes as a record of 100 bytes takes in a batch. Free memory is touched before each
//! round, as in `compare`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use rustix::time::{ClockId, clock_gettime};

use crate::compare::memory;
use crate::output::print;

/// What a record of 100 bytes without a key takes in a batch of many.
const RECORD_BYTES: usize = 107;

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Millions of records of each round
    #[arg(long, default_value_t = 5)]
    millions: usize,
    /// Rounds of each size
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Bytes that are read and written at a time
    #[arg(long, value_delimiter = ',', default_values_t = [64 << 10, 256 << 10, 1 << 20])]
    chunk_bytes: Vec<usize>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<()> {
    print("bytes at a time  ns per record of 100 B: median, least, most");
    for chunk_bytes in &options.chunk_bytes {
        let mut rounds = Vec::with_capacity(options.rounds);
        for _ in 0..options.rounds {
            memory::make_warm();
            let records = options.millions * 1_000_000;
            let took = relay(records * RECORD_BYTES, *chunk_bytes)?;
            rounds.push(took.as_nanos() as f64 / records as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap_or_default();
        let (least, most) = (at(0), at(rounds.len().saturating_sub(1)));
        print(&format!("{chunk_bytes:15}  {:.1}  {least:.1}  {most:.1}", at(rounds.len() / 2)));
    }
    Ok(())
}

/// The CPU time of whoever passes `bytes` on.
fn relay(bytes: usize, chunk_bytes: usize) -> Result<Duration> {
    let (mut from_source, mut source) = connection()?;
    let (mut to_target, mut target) = connection()?;
    let chunks = bytes / chunk_bytes;
    let writing = thread::spawn(move || -> Result<()> {
        let chunk: Vec<u8> = (0..chunk_bytes).map(|index| index as u8).collect();
        for _ in 0..chunks {
            source.write_all(&chunk)?;
        }
        Ok(())
    });
    let reading = thread::spawn(move || -> Result<usize> {
        let mut buffer = vec![0; 1 << 20];
        let mut count = 0;
        loop {
            match target.read(&mut buffer)? {
                0 => return Ok(count),
                read => count += read,
            }
        }
    });
    let passing = thread::spawn(move || -> Result<Duration> {
        let mut chunk = vec![0; chunk_bytes];
        let begun = thread_time()?;
        for _ in 0..chunks {
            from_source.read_exact(&mut chunk)?;
            to_target.write_all(&chunk)?;
        }
        Ok(thread_time()?.saturating_sub(begun))
    });
    let took = passing.join().ok().context("the thread in between")??;
    writing.join().ok().context("the thread that writes")??;
    let arrived = reading.join().ok().context("the thread that reads")??;
    anyhow::ensure!(arrived == chunks * chunk_bytes, "{arrived} bytes arrived");
    Ok(took)
}

/// Both ends of a connection.
fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    Ok((one, other))
}

fn thread_time() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}
