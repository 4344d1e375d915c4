//! The mirror's task in the world of these cases: both its clusters are the broker in memory.

use std::cell::RefCell;

use api::config_def::{Config, ConfigDef};
use api::plugin::ConnectorPlugin;
use api::{Props, Result, SourceConnector};
use connector_mirror::{MirrorSource, MirrorSourceTask};
use protocol::net::Env;

use crate::props;
use crate::world::World;

/// The topic of offset syncs, which a connector would have made.
pub(crate) const SYNCS: &str = "mm2-offset-syncs.target.internal";

thread_local! {
    /// Tasks are made from properties alone.
    static ENV: RefCell<Option<Env>> = const { RefCell::new(None) };
}

/// `MirrorSource` without its thread, which lives in the real world.
struct Mirror(Props);

impl SourceConnector for Mirror {
    type Task = MirrorSourceTask;
    const CLASS: &'static str = MirrorSource::CLASS;
    const TASK_CLASS: &'static str = MirrorSource::TASK_CLASS;
    const VERSION: &'static str = MirrorSource::VERSION;

    fn config_def() -> ConfigDef {
        MirrorSource::config_def()
    }

    fn start(config: Config) -> Result<Mirror> {
        Ok(Mirror(config.originals().clone()))
    }

    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }

    fn create_task(props: &Props) -> Result<MirrorSourceTask> {
        let env = ENV.with_borrow(Clone::clone).expect("a case has set it");
        Ok(MirrorSource::create_task(props)?.with_env(env))
    }
}

/// What a topic of the cluster `alias` is called here.
pub(crate) fn target(alias: &str, topic: &str) -> String {
    format!("{alias}.{topic}")
}

/// A task that reads all of a topic.
pub(crate) fn connector(env: Env, alias: &str, topic: &str, partitions: i32) -> (ConnectorPlugin, Props) {
    ENV.set(Some(env));
    let assigned: Vec<_> = (0..partitions).map(|partition| format!("{topic}-{partition}")).collect();
    let bootstrap = World::bootstrap();
    let settings = [
        ("name", "mirror"),
        ("source.cluster.alias", alias),
        ("source.cluster.bootstrap.servers", &*bootstrap),
        ("task.assigned.partitions", &*assigned.join(",")),
    ];
    (ConnectorPlugin::source::<Mirror>(), props(&settings))
}
