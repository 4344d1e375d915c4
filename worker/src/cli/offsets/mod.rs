//! `aqueduct offsets`: see, change, keep and bring back source offsets, in the file of a stopped worker or through REST of a running one.

mod file;

mod rest;

mod report;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::file::OffsetsFile;
use self::rest::RestClient;
use crate::config::properties;

/// What `aqueduct offsets` takes.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: PlaceOptions,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where the offsets are.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PlaceOptions {
    /// The offsets file of a standalone worker, Java's or Aqueduct's, that is not running
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The properties of such a worker: they name the file
    #[arg(long, value_name = "PROPERTIES")]
    worker: Option<PathBuf>,
    /// REST of a worker that runs; name and password, if it wants them, are read from AQUEDUCT_REST_CREDENTIALS (name:password)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List connectors and how many partitions each has
    List,
    /// Show the offset of each partition of a connector
    Show {
        /// Which connector
        connector: String,
    },
    /// Set the offset of one partition
    Set {
        /// Which connector
        connector: String,
        /// Such as {"filename":"/in.txt"}
        #[arg(long, value_name = "JSON")]
        partition: String,
        /// Such as {"position":30}; null forgets it
        #[arg(long, value_name = "JSON")]
        offset: String,
    },
    /// Forget the offsets of a connector
    Reset {
        /// Which connector
        connector: String,
        /// Only that of this partition
        #[arg(long, value_name = "JSON")]
        partition: Option<String>,
    },
    /// Print the offsets of all connectors, or of these, for `import`
    Export {
        /// Which connectors
        connectors: Vec<String>,
    },
    /// Set what `export` printed; other partitions keep their offsets
    Import {
        /// The export; - for standard input
        file: PathBuf,
    },
}

/// One partition, as REST shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    partition: Option<Map<String, Value>>,
    offset: Option<Map<String, Value>>,
}

/// `ConnectorOffsets`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offsets {
    offsets: Vec<Entry>,
}

/// What `export` prints.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    connectors: BTreeMap<String, Offsets>,
}

/// Where offsets are seen and changed.
enum Place {
    File(OffsetsFile),
    Rest(RestClient),
}

impl Place {
    fn of(options: &PlaceOptions) -> Result<Place> {
        if let Some(url) = &options.url {
            return Ok(Place::Rest(RestClient::new(url, std::env::var("AQUEDUCT_REST_CREDENTIALS").ok())?));
        }
        let path = match (&options.file, &options.worker) {
            (Some(file), _) => file.clone(),
            (None, Some(worker)) => {
                let props = properties::parse(&properties::read_file(worker)?)
                    .with_context(|| format!("failed to read {}", worker.display()))?;
                let file = props.get("offset.storage.file.filename").with_context(|| {
                    format!("{} does not set offset.storage.file.filename", worker.display())
                })?;
                file.trim().into()
            }
            (None, None) => bail!("one of --file, --worker and --url is needed"),
        };
        Ok(Place::File(OffsetsFile::new(path)))
    }

    fn connectors(&self) -> Result<Vec<String>> {
        match self {
            Place::File(file) => file.connectors(),
            Place::Rest(rest) => rest.connectors(),
        }
    }

    fn offsets(&self, connector: &str) -> Result<Offsets> {
        match self {
            Place::File(file) => file.offsets(connector),
            Place::Rest(rest) => rest.offsets(connector),
        }
    }

    fn alter(&self, connector: &str, offsets: Offsets) -> Result<String> {
        match self {
            Place::File(file) => file.alter(connector, offsets),
            Place::Rest(rest) => rest.alter(connector, &offsets),
        }
    }

    fn reset(&self, connector: &str) -> Result<String> {
        match self {
            Place::File(file) => file.reset(connector),
            Place::Rest(rest) => rest.reset(connector),
        }
    }
}

pub(super) fn run(options: &Options) -> ExitCode {
    match answer(options) {
        Ok(text) => {
            let _output_closed = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _output_closed = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn answer(options: &Options) -> Result<String> {
    let place = Place::of(&options.place)?;
    match &options.command {
        Command::List => {
            let mut listed = Vec::new();
            for connector in place.connectors()? {
                let count = place.offsets(&connector)?.offsets.len();
                listed.push((connector, count));
            }
            Ok(report::list(&listed, options.json))
        }
        Command::Show { connector } => Ok(report::offsets(&place.offsets(connector)?, options.json)),
        Command::Set { connector, partition, offset } => {
            let entry = Entry { partition: map("partition", partition)?, offset: map("offset", offset)? };
            let message = place.alter(connector, Offsets { offsets: vec![entry] })?;
            Ok(report::done(&message, options.json))
        }
        Command::Reset { connector, partition } => {
            let message = match partition {
                None => place.reset(connector)?,
                Some(partition) => {
                    let entry = Entry { partition: map("partition", partition)?, offset: None };
                    place.alter(connector, Offsets { offsets: vec![entry] })?
                }
            };
            Ok(report::done(&message, options.json))
        }
        Command::Export { connectors } => {
            let connectors = if connectors.is_empty() { place.connectors()? } else { connectors.clone() };
            let mut export = Export::default();
            for connector in connectors {
                let offsets = place.offsets(&connector)?;
                export.connectors.insert(connector, offsets);
            }
            Ok(format!("{}\n", serde_json::to_string_pretty(&export)?))
        }
        Command::Import { file } => {
            let mut text = String::new();
            if file.as_os_str() == "-" {
                std::io::stdin().read_to_string(&mut text).context("failed to read standard input")?;
            } else {
                text = std::fs::read_to_string(file)
                    .with_context(|| format!("failed to read {}", file.display()))?;
            }
            let export: Export = serde_json::from_str(&text).with_context(|| {
                format!("{} is not what `aqueduct offsets export` prints", file.display())
            })?;
            let mut count = 0;
            for (connector, offsets) in export.connectors {
                count += offsets.offsets.len();
                if !offsets.offsets.is_empty() {
                    place.alter(&connector, offsets).with_context(|| format!("connector {connector}"))?;
                }
            }
            Ok(report::done(&format!("{count} offsets have been set"), options.json))
        }
    }
}

/// A JSON object or null.
fn map(what: &str, json: &str) -> Result<Option<Map<String, Value>>> {
    serde_json::from_str(json).with_context(|| format!("the {what} is not a JSON object or null: {json}"))
}
