//! The jars of Apache Kafka in the cache: fetched once by Maven, complete or absent, whoever else fetches at the same time.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{output, paths, process, tools};

/// The release that every test and comparison runs against.
pub const VERSION: &str = "4.3.0";

/// Tells tests where the jars are; unset, they have no Java to compare with.
pub const LIBS_VARIABLE: &str = "AQUEDUCT_KAFKA_LIBS";

/// What a Kafka distribution runs with: broker, tools, Connect with its file and mirror connectors, and a logger.
const RUNTIME: &[(&str, &str, &str)] = &[
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.apache.kafka", "connect-runtime", VERSION),
    ("org.apache.kafka", "connect-file", VERSION),
    ("org.apache.kafka", "connect-mirror", VERSION),
    ("org.apache.kafka", "connect-basic-auth-extension", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
];

/// Connectors made for tests. A folder of their own: beside the others they would show in every worker's
/// `/connector-plugins`.
const TEST_PLUGINS: &[(&str, &str, &str)] = &[("org.apache.kafka", "connect-test-plugins", VERSION)];

/// A complete set of jars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libs {
    dir: PathBuf,
}

impl Libs {
    /// The jars that xtask told a test about, or `None` where there are none and Java comparisons do not run.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let libs = PathBuf::from(env::var_os(LIBS_VARIABLE)?);
        Some(Self { dir: libs.parent()?.to_owned() })
    }

    /// The jars in the cache, fetched if they are not there yet. Two callers at once fetch once.
    ///
    /// # Errors
    /// Java or Maven is missing and cannot be installed, the artefacts cannot be fetched, or the cache cannot be written.
    pub fn fetch() -> Result<Self> {
        let dir = paths::cache()?.join(format!("kafka-{VERSION}"));
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let lock = File::create(dir.join("lock")).context("create the cache's lock file")?;
        // Released when the file closes, even by a crash.
        lock.lock().context("lock the cache")?;
        let libs = Self { dir };
        // A marker that names other artefacts is from an older checkout.
        let wanted = [pom(RUNTIME), pom(TEST_PLUGINS)].concat();
        if fs::read_to_string(libs.marker()).is_ok_and(|complete| complete == wanted) {
            return Ok(libs);
        }
        let maven = tools::maven()?;
        output::say(format_args!("fetching Apache Kafka {VERSION} into {}", libs.dir.display()));
        copy_jars(&maven, &pom(RUNTIME), &libs.runtime(), &[])?;
        copy_jars(&maven, &pom(TEST_PLUGINS), &libs.test_plugins(), &["-DexcludeTransitive=true"])?;
        fs::write(libs.marker(), wanted).context("write the cache's marker")?;
        Ok(libs)
    }

    /// The folder with what a Kafka distribution has on its class path.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.dir.join("libs")
    }

    /// The folder with Connect's mock and verifiable connectors, for the class path of a worker under test.
    #[must_use]
    pub fn test_plugins(&self) -> PathBuf {
        self.dir.join("test-plugins")
    }

    fn marker(&self) -> PathBuf {
        self.dir.join("complete")
    }
}

fn copy_jars(maven: &Path, pom: &str, target: &Path, options: &[&str]) -> Result<()> {
    let project = tempfile::tempdir().context("create a folder for Maven")?;
    fs::write(project.path().join("pom.xml"), pom).context("write pom.xml")?;
    if target.exists() {
        fs::remove_dir_all(target).context("remove an incomplete set of jars")?;
    }
    let mut command = Command::new(maven);
    command
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", target.display()))
        .args(options)
        .current_dir(project.path());
    process::run_quiet(&mut command).context("fetch Apache Kafka by Maven")?;
    Ok(())
}

fn pom(artefacts: &[(&str, &str, &str)]) -> String {
    let mut text = String::from(
        "<project><modelVersion>4.0.0</modelVersion><groupId>aqueduct</groupId><artifactId>kafka</artifactId>\
         <version>1</version><packaging>pom</packaging><dependencies>\n",
    );
    for (group, artefact, version) in artefacts {
        text.push_str(&format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artefact}</artifactId><version>{version}</version>\
             </dependency>\n"
        ));
    }
    text.push_str("</dependencies></project>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pom_names_every_artefact_once() {
        let text = pom(RUNTIME);
        for (_, artefact, version) in RUNTIME {
            let entry = format!("<artifactId>{artefact}</artifactId><version>{version}</version>");
            assert_eq!(text.matches(&entry).count(), 1, "{artefact}");
        }
        assert!(!text.contains("connect-test-plugins"));
    }
}
