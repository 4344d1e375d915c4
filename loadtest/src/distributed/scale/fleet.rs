//! The workers and what runs on them.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::member::{Kind, Member, Settings};
use super::super::rebalances::{Logged, Phase, read, within};
use super::super::timeline::Task;
use super::super::watch::{QUIET, Watch, now_ms};
use super::report::Change;
use super::{Options, PATIENCE};
use crate::output::print;
use crate::rest::Client;

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Records per second of a task that flows.
const FLOW_RATE: u32 = 2;

pub(super) struct Fleet {
    pub(super) options: Options,
    pub(super) settings: Settings,
    pub(super) members: Vec<Member>,
    pub(super) watch: Watch,
    expected: HashSet<Task>,
    /// Connectors that were added.
    added: u32,
    logged: Vec<Logged>,
}

impl Fleet {
    pub(super) fn new(options: Options, settings: Settings, members: Vec<Member>, watch: Watch) -> Fleet {
        Fleet { options, settings, members, watch, expected: HashSet::new(), added: 0, logged: Vec::new() }
    }

    fn config(&self, number: u32) -> Value {
        let Options { sinks, flowing, tasks, .. } = self.options;
        let tasks = tasks.to_string();
        if number < sinks {
            json!({ "connector.class": "BlackholeSink", "topics": "flowing", "tier": "index", "tasks.max": tasks })
        } else {
            let is_flowing = number < sinks + flowing;
            json!({
                "connector.class": "DatagenSource",
                "topic": if is_flowing { "flowing" } else { "idle" },
                "tasks.max": tasks,
                "rate": FLOW_RATE.to_string(),
                "records": if is_flowing { "-1" } else { "1" },
            })
        }
    }

    /// Creates the connectors through all workers at once, each one after another.
    pub(super) async fn create_all(&mut self) -> Result<()> {
        let begun = Instant::now();
        let workers = self.members.len();
        let this = &*self;
        let creators = (0..workers).map(|worker| async move {
            for number in (0..this.options.connectors).skip(worker).step_by(workers) {
                this.put(worker, &name(number), &this.config(number)).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(creators).await?;
        for number in 0..self.options.connectors {
            self.expect(&name(number));
        }
        print(&format!("created by requests in {:.1} s", begun.elapsed().as_secs_f64()));
        self.wait_until_all_run().await?;
        print(&format!("all run after {:.1} s", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Starts a worker and waits until it has a share.
    pub(super) async fn add(&mut self) -> Result<()> {
        let member = Member::start(Kind::Ours, &self.settings).await?;
        let id = Rc::clone(&member.id);
        self.members.push(member);
        self.watch
            .wait_until("a share for the new worker", PATIENCE, |timeline| timeline.count_of(&id) > 0)
            .await
    }

    pub(super) async fn add_connector(&mut self) -> Result<()> {
        let name = format!("added-{}", self.added);
        self.added += 1;
        let config = self.config(self.options.connectors - 1);
        self.put(0, &name, &config).await?;
        self.expect(&name);
        Ok(())
    }

    fn expect(&mut self, connector: &str) {
        let connector: Rc<str> = Rc::from(connector);
        self.expected.extend((0..self.options.tasks).map(|task| (Rc::clone(&connector), task)));
    }

    /// Until it is taken: a cluster answers 409 while it rebalances.
    async fn put(&self, turn: usize, name: &str, config: &Value) -> Result<()> {
        let begun = Instant::now();
        let (path, body) = (format!("/connectors/{name}/config"), config.to_string());
        for turn in turn.. {
            let port = self.members[turn % self.members.len()].port;
            let sent = async { Client::connect(port).await?.send("PUT", &path, &body).await };
            match tokio::time::timeout(PATIENCE, sent).await? {
                Ok((200..=299, _)) => break,
                answered if begun.elapsed() > PATIENCE => bail!("{name} was not taken: {answered:?}"),
                _ => sleep(LOOK_INTERVAL).await,
            }
        }
        Ok(())
    }

    /// Waits until every task runs.
    async fn wait_until_all_run(&self) -> Result<()> {
        self.watch.wait_until_all_run(&self.expected, PATIENCE).await
    }

    /// Waits until every task runs and nothing changes any more.
    pub(super) async fn settle(&self) -> Result<()> {
        self.watch.settle(&self.expected, PATIENCE).await
    }

    /// Everything that the workers have logged of rebalances since a time.
    fn logged(&self, from_ms: i64) -> Result<Vec<Logged>> {
        let mut logged = self.logged.clone();
        for member in &self.members {
            logged.extend(read(&member.log()?));
        }
        logged.retain(|logged| logged.at_ms >= from_ms);
        Ok(logged)
    }

    async fn wait_for_joining(&self, from_ms: i64) -> Result<()> {
        let begun = Instant::now();
        while !self.logged(from_ms)?.iter().any(|logged| logged.what == Phase::Joining) {
            ensure!(begun.elapsed() < PATIENCE, "nobody joined again within {PATIENCE:?}");
            sleep(QUIET / 4).await;
        }
        Ok(())
    }

    /// What a change brought; requests are added by whoever sent them.
    pub(super) fn measure(&self, what: &'static str, from_ms: i64) -> Result<Change> {
        let logged = self.logged(from_ms)?;
        let until_ms = now_ms();
        let rebalance = within(&logged, from_ms, until_ms).context("there was a rebalance")?;
        let joining = logged.iter().filter(|logged| logged.what == Phase::Joining);
        let first_ms = joining.map(|logged| logged.at_ms).min().unwrap_or(from_ms);
        let timeline = self.watch.timeline();
        let gaps = timeline.tasks.values().flat_map(|line| &line.gaps);
        let ends: Vec<i64> = gaps.map(|(_, end_ms)| *end_ms).filter(|end_ms| *end_ms >= from_ms).collect();
        let starts =
            timeline.tasks.values().filter_map(|line| line.since_ms).filter(|at_ms| *at_ms >= from_ms);
        let last_ms = starts.max().unwrap_or(from_ms);
        Ok(Change {
            what,
            rebalance_ms: rebalance.took_ms,
            rounds: rebalance.rounds,
            begun_ms: first_ms,
            all_run_ms: (last_ms - first_ms).max(0),
            all_run_after_cause_ms: last_ms - from_ms,
            moved: ends.len(),
        })
    }

    /// Takes a worker out of the cluster, of those that are not asked.
    fn remove(&mut self, round: u32) -> Member {
        self.members.remove(1 + round as usize % (self.members.len() - 1))
    }

    pub(super) async fn kill(&mut self, round: u32) -> Result<()> {
        let from_ms = now_ms();
        let member = self.remove(round);
        self.watch.down(&member.id);
        self.logged.extend(read(&member.kill()?));
        self.wait_for_joining(from_ms).await
    }

    pub(super) async fn stop(&mut self, round: u32) -> Result<()> {
        let member = self.remove(round);
        self.logged.extend(read(&member.stop().await?));
        self.watch.touch();
        Ok(())
    }

    pub(super) fn print_usage(&self, when: &str) -> Result<()> {
        let (mut cpu, mut resident) = (Duration::ZERO, 0);
        let mut descriptors = 0;
        for member in &self.members {
            let usage = member.usage()?;
            cpu += usage.cpu;
            resident += usage.resident_bytes;
            descriptors += member.descriptors()?;
        }
        print(&format!(
            "{when}: {} workers, {:.1} s of CPU so far, {:.1} MB resident and {} descriptors each",
            self.members.len(),
            cpu.as_secs_f64(),
            resident as f64 / 1e6 / self.members.len() as f64,
            descriptors / self.members.len()
        ));
        Ok(())
    }
}

pub(super) fn name(number: u32) -> String {
    format!("c{number:04}")
}
