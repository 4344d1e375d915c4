//! A cluster of workers under test: who is in it, what runs on it, and what each thing done to it brought.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::brokers::Brokers;
use super::member::{Kind, Member, Settings};
use super::rebalances::{Logged, read, within};
use super::report::{Spread, Step};
use super::timeline::Task;
use super::watch::{QUIET, Watch, now_ms};
use super::work::{Outcome, Work};
use crate::cluster::Kafka;
use crate::output::print;
use crate::rest::Client;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// How long a request is tried again that the cluster does not take now.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Cluster {
    pub(super) settings: Settings,
    pub(super) work: Work,
    pub(super) brokers: Brokers,
    pub(super) members: Vec<Member>,
    pub(super) watch: Watch,
    pub(super) random: fastrand::Rng,
    kafka: Kafka,
    expected: HashSet<Task>,
    /// Connectors that the present step changes.
    pub(super) changed: HashSet<String>,
    /// What workers that are gone had logged of rebalances.
    logged: Vec<Logged>,
    steps: Vec<(Step, HashSet<String>)>,
}

impl Cluster {
    /// Starts the workers one after another, so that the first one leads.
    pub(super) async fn start(
        brokers: Brokers,
        settings: Settings,
        work: Work,
        kinds: &[Kind],
        random: fastrand::Rng,
    ) -> Result<Cluster> {
        let kafka = Kafka::connect(brokers.bootstrap())?;
        let mut members = Vec::new();
        for kind in kinds {
            members.push(Member::start(*kind, &settings).await?);
        }
        // Whoever asks for a topic that is not there creates it, and not as the workers want it: they come first.
        let watch = Watch::start(brokers.bootstrap(), &settings.group)?;
        let expected = work.all_tasks();
        Ok(Cluster {
            settings,
            work,
            brokers,
            members,
            watch,
            random,
            kafka,
            expected,
            changed: HashSet::new(),
            logged: Vec::new(),
            steps: Vec::new(),
        })
    }

    /// Creates every connector through one worker after another.
    pub(super) async fn create_all(&mut self) -> Result<()> {
        for number in 0..self.work.sources {
            self.kafka.create_topic(&self.work.source(number), "producer").await?;
        }
        for (turn, (name, config)) in self.work.connectors().into_iter().enumerate() {
            self.changed.insert(name.clone());
            self.put(turn, &name, &config).await?;
        }
        Ok(())
    }

    /// Gives a connector a configuration through the worker whose turn it is.
    pub(super) async fn put(&self, turn: usize, connector: &str, config: &Value) -> Result<()> {
        let path = format!("/connectors/{connector}/config");
        self.ask(turn, "PUT", &path, &config.to_string()).await?;
        Ok(())
    }

    /// Sends a request until it is taken: a cluster answers 409 while it rebalances, and a worker may be away.
    async fn ask(&self, turn: usize, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
        let begun = Instant::now();
        for turn in turn.. {
            let port = self.members[turn % self.members.len()].port;
            let sent = async { Client::connect(port).await?.send(method, path, body).await };
            let answered = tokio::time::timeout(PATIENCE, sent).await?;
            match answered {
                Ok((200..=299, body)) => return Ok(body),
                answered if begun.elapsed() > PATIENCE => {
                    bail!("{method} {path} was not taken within {PATIENCE:?}: {answered:?}")
                }
                _ => sleep(RETRY).await,
            }
        }
        unreachable!("the loop has no end")
    }

    /// Starts a worker and waits until it has a share.
    pub(super) async fn add(&mut self, kind: Kind) -> Result<()> {
        let member = Member::start(kind, &self.settings).await?;
        let id = std::rc::Rc::clone(&member.id);
        self.members.push(member);
        self.watch
            .wait_until("a share for the new worker", PATIENCE, |timeline| timeline.count_of(&id) > 0)
            .await
    }

    /// Stops a worker in good order.
    pub(super) async fn stop(&mut self, index: usize) -> Result<()> {
        let member = self.members.remove(index);
        let log = member.stop().await?;
        self.watch.touch();
        self.logged.extend(read(&log));
        Ok(())
    }

    /// Kills a worker.
    pub(super) fn kill(&mut self, index: usize) -> Result<()> {
        let member = self.members.remove(index);
        self.watch.down(&member.id);
        let log = member.kill()?;
        self.logged.extend(read(&log));
        Ok(())
    }

    /// Waits until every task runs.
    pub(super) async fn wait_until_all_run(&self) -> Result<()> {
        self.watch.wait_until_all_run(&self.expected, PATIENCE).await
    }

    /// Waits until every task runs and nothing changes any more.
    pub(super) async fn settle(&self) -> Result<()> {
        self.watch.settle(&self.expected, PATIENCE).await
    }

    /// What began at `from_ms` is over: it is measured when everything is known.
    pub(super) fn note(&mut self, scenario: &'static str, what: String, from_ms: i64) {
        self.note_step(scenario, what, from_ms, false);
    }

    /// The same where a worker was lost without a word.
    pub(super) fn note_loss(&mut self, scenario: &'static str, what: String, from_ms: i64) {
        self.note_step(scenario, what, from_ms, true);
    }

    fn note_step(&mut self, scenario: &'static str, what: String, from_ms: i64, is_loss: bool) {
        print(&format!("{scenario}: {what} took {} ms with settling", now_ms() - from_ms));
        let step = Step {
            scenario,
            what,
            is_loss,
            from_ms,
            until_ms: now_ms(),
            recovered_ms: 0,
            idle_ms: Spread::default(),
            restarted: Vec::new(),
            failed: 0,
            rebalance: None,
            duplicates: 0,
        };
        self.steps.push((step, std::mem::take(&mut self.changed)));
    }

    /// Stops the sources, and says what all steps did to tasks and records.
    pub(super) async fn finish(mut self) -> Result<(Vec<Step>, Outcome)> {
        let sources: Vec<String> = (0..self.work.sources).map(|number| self.work.source(number)).collect();
        for (turn, source) in sources.iter().enumerate() {
            self.ask(turn, "PUT", &format!("/connectors/{source}/stop"), "").await?;
        }
        self.watch
            .wait_until("the end of the sources", PATIENCE, |timeline| {
                timeline.tasks.iter().all(|((connector, _), line)| {
                    line.owner.is_none() || !sources.iter().any(|source| **source == **connector)
                })
            })
            .await?;
        let mut committed = HashMap::new();
        for (turn, source) in sources.iter().enumerate() {
            let body = self.ask(turn, "GET", &format!("/connectors/{source}/offsets"), "").await?;
            let body: Value = serde_json::from_slice(&body)?;
            for entry in body["offsets"].as_array().context("offsets of a connector")? {
                let (task, last) = (entry["partition"]["id"].as_i64(), entry["offset"]["seqno"].as_i64());
                committed
                    .insert((source.clone(), task.context("a task's number")?), last.context("an offset")?);
            }
        }
        // What the sinks have not written yet.
        sleep(QUIET).await;
        for member in self.members.drain(..).collect::<Vec<_>>() {
            self.logged.extend(read(&member.stop().await?));
        }
        let outcome = self.work.outcome(self.kafka.cluster(), &committed).await?;
        let timeline = self.watch.timeline();
        let statuses = self.settings.dir.join("statuses.log");
        std::fs::write(&statuses, self.watch.told())
            .with_context(|| format!("write {}", statuses.display()))?;
        let mut steps = Vec::new();
        for (mut step, changed) in self.steps {
            let (from_ms, until_ms) = (step.from_ms, step.until_ms);
            let is_inside = |at_ms: i64| (from_ms..until_ms).contains(&at_ms);
            let mut gaps = Vec::new();
            for ((connector, task), line) in &timeline.tasks {
                for (since_ms, to_ms) in line.gaps.iter().filter(|(_, to_ms)| is_inside(*to_ms)) {
                    gaps.push(to_ms - since_ms);
                    step.recovered_ms = step.recovered_ms.max(to_ms - from_ms);
                }
                if !changed.contains(&**connector) {
                    let restarts = line.restarts.iter().filter(|(at_ms, _)| is_inside(*at_ms));
                    step.restarted.extend(restarts.map(|(at_ms, worker)| {
                        format!("{connector}-{task} was restarted by {worker} after {} ms", at_ms - from_ms)
                    }));
                }
                step.failed += line.failures.iter().filter(|at_ms| is_inside(**at_ms)).count();
            }
            step.idle_ms = Spread::of(gaps);
            step.rebalance = within(&self.logged, from_ms, until_ms);
            step.duplicates = outcome.duplicates.iter().filter(|at_ms| is_inside(**at_ms)).count();
            steps.push(step);
        }
        Ok((steps, outcome))
    }
}
