//! The dependency rule: which of our crates may link which. Dev-dependencies are free, a test may use everything.

use super::Finding;
use crate::cargo::Package;

/// What a crate may link, by its name. The design's arrows; everything outside of this table is a layer leaking.
const ALLOWED: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("queues", &[]),
    ("protocol", &[]),
    ("broker", &["protocol"]),
    ("engine", &["api", "queues", "protocol"]),
    ("connector-mirror", &["api", "queues", "protocol"]),
    ("worker", &["connectors", "engine", "protocol", "broker", "api"]),
    // A judge measures from outside: it may speak Kafka and start the real one, but not look into the worker.
    ("loadtest", &["protocol", "xtask"]),
    ("xtask", &[]),
];

/// What each crate below `connectors/` may link.
const CONNECTOR_ALLOWED: &[&str] = &["api", "queues"];

/// Programs that put the whole product under test.
const FREE: &[&str] = &["benches", "sim"];

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(package_findings).collect()
}

fn package_findings(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    let finding = |message: String| Finding { file: format!("package {name}"), line: 0, message };
    let may_link: Box<dyn Fn(&str) -> bool> = if FREE.contains(&name) {
        Box::new(|_| true)
    } else if name == "connectors" {
        Box::new(|other| other == "api" || other.starts_with("connector-"))
    } else if let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) {
        Box::new(|other| allowed.contains(&other))
    } else if name.starts_with("connector-") {
        Box::new(|other| CONNECTOR_ALLOWED.contains(&other))
    } else {
        return vec![finding("is in no layer: add it to the table in xtask/src/tidy/layers.rs".to_owned())];
    };
    let wrong = package.own_dependencies.iter().filter(|other| !may_link(other));
    wrong.map(|other| finding(format!("must not depend on {other} (see ARCHITECTURE.md, layers)"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, own_dependencies: &[&str]) -> usize {
        let package = Package {
            name: name.to_owned(),
            own_dependencies: own_dependencies.iter().map(|&other| other.to_owned()).collect(),
            test_targets: vec![],
            bench_targets: vec![],
        };
        check(&[package]).len()
    }

    #[test]
    fn lower_layers_do_not_know_upper_ones() {
        assert_eq!(check_one("protocol", &["api"]), 1);
        assert_eq!(check_one("engine", &["api", "queues", "protocol"]), 0);
        assert_eq!(check_one("engine", &["broker", "worker"]), 2);
        assert_eq!(check_one("worker", &["connector-file"]), 1);
    }

    #[test]
    fn connectors_see_the_api_only() {
        assert_eq!(check_one("connector-file", &["api", "queues"]), 0);
        assert_eq!(check_one("connector-file", &["protocol"]), 1);
        assert_eq!(check_one("connector-mirror", &["api", "protocol"]), 0);
        assert_eq!(check_one("connectors", &["api", "connector-file", "connector-datagen"]), 0);
        assert_eq!(check_one("connectors", &["engine"]), 1);
    }

    #[test]
    fn an_unknown_crate_has_to_be_placed() {
        assert_eq!(check_one("misc", &[]), 1);
    }
}
