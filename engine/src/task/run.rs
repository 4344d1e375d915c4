//! A task from its specification to its end: built on its core, run, and its end reported, whatever it was.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::{ConverterRole, CreateTask};
use api::{Error, Kind};
use futures_util::FutureExt as _;
use protocol::net::Env;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};
use tracing::{error, info};

use super::{
    ConverterSpec, Exit, Order, Target, TaskEvent, TaskId, TaskKind, TaskSpec, TaskState, TransformSpec,
    trace,
};
use crate::connector::panicked;
use crate::metrics::{LifeState, TaskMetrics};
use crate::pipeline::{
    Chain, ChainStage, Condition, Converters, DecodeHeaders, EncodeHeaders, ErrorHandler, Place, RateLimiter,
    SinkPipeline, SourcePipeline, Stage,
};

/// A task's side of its handle.
pub(crate) struct Control {
    id: TaskId,
    run: u64,
    orders: watch::Receiver<Order>,
    events: mpsc::UnboundedSender<TaskEvent>,
    reported: Option<TaskState>,
    /// Whether class, converters and clients are good.
    is_built: bool,
    metrics: Arc<TaskMetrics>,
    /// When the task was told to stop, once it has looked.
    stop_told: Option<Instant>,
    exit: Arc<Exit>,
}

impl Control {
    pub(crate) fn new(
        id: TaskId,
        run: u64,
        orders: watch::Receiver<Order>,
        events: mpsc::UnboundedSender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
        exit: Arc<Exit>,
    ) -> Control {
        Control { id, run, orders, events, reported: None, is_built: false, metrics, stop_told: None, exit }
    }

    /// What the task leaves for whoever has to end it from outside.
    pub(crate) fn exit(&self) -> &Exit {
        &self.exit
    }

    /// What the task should be doing. A dropped handle means: stop.
    pub(crate) fn target(&mut self) -> Target {
        let order = match self.orders.has_changed() {
            Ok(_) => *self.orders.borrow_and_update(),
            Err(_handle_dropped) => Order::new(Target::Stopped),
        };
        if order.target == Target::Stopped {
            self.stop_told.get_or_insert(order.since);
        }
        order.target
    }

    /// Waits until the target has changed since [`Control::target`] was last asked.
    pub(crate) async fn changed(&mut self) {
        // An error means that the handle is gone, which `target` reports as a stop.
        let _gone = self.orders.changed().await;
    }

    /// Waits until the task is told to stop.
    pub(crate) async fn stopped(&mut self) {
        // An error means that the handle is gone, which `target` reports as a stop.
        drop(self.orders.wait_for(|order| order.target == Target::Stopped).await);
        self.target();
    }

    /// Waits until the task was told to stop and `limit` has passed since.
    pub(crate) async fn stopped_for(&mut self, limit: Duration) {
        self.stopped().await;
        if let Some(since) = self.stop_told {
            sleep_until(since + limit).await;
        }
    }

    /// What is left of `limit` since the task was told to stop; `None` where it was not.
    pub(crate) fn time_left(&mut self, limit: Duration) -> Option<Duration> {
        self.target();
        self.stop_told.map(|since| limit.saturating_sub(since.elapsed()))
    }

    /// Reports `Paused` and waits for as long as the task is to be paused.
    pub(crate) async fn wait_while_paused(&mut self) -> Target {
        loop {
            match self.target() {
                Target::Paused => self.report_paused(),
                target => return target,
            }
            self.changed().await;
        }
    }

    pub(crate) fn report_running(&mut self) {
        self.report(TaskState::Running);
    }

    pub(crate) fn report_paused(&mut self) {
        self.report(TaskState::Paused);
    }

    /// Tells the worker, once for each change.
    fn report(&mut self, state: TaskState) {
        if self.reported.as_ref() == Some(&state) {
            return;
        }
        self.reported = Some(state.clone());
        self.metrics.life.change(match state {
            TaskState::Running => LifeState::Running,
            TaskState::Paused => LifeState::Paused,
            TaskState::Failed { .. } | TaskState::Stopped => LifeState::Other,
        });
        // It has its time from here on.
        self.metrics.stages.progressed(Instant::now());
        // A worker that no longer listens is shutting down.
        let _nobody = self.events.send(TaskEvent { id: self.id.clone(), run: self.run, state });
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("id", &self.id).field("run", &self.run).finish_non_exhaustive()
    }
}

/// Runs a task to its end. A panic ends this task and nothing else.
pub(super) async fn run(
    spec: Box<TaskSpec>,
    env: Env,
    mut control: Control,
    metrics: Arc<TaskMetrics>,
    limiter: Option<Arc<RateLimiter>>,
) {
    let place = match spec.kind {
        TaskKind::Source(_) => "pipeline.source",
        TaskKind::Sink(_) => "pipeline.sink",
    };
    let measured = Arc::clone(&metrics);
    let outcome =
        AssertUnwindSafe(build_and_run(spec, env, &mut control, metrics, limiter)).catch_unwind().await;
    measured.stages.enter(crate::metrics::Stage::Idle);
    match outcome.unwrap_or_else(|panic| Err(panicked(&*panic))) {
        Ok(()) => {
            info!(task = %control.id, "task stopped");
            control.report(TaskState::Stopped);
        }
        Err(cause) => {
            let trace = trace(&cause, place);
            error!(task = %control.id, error = trace.trim_end(), "task failed and will not recover until it is restarted");
            let is_built = control.is_built;
            control.report(TaskState::Failed { trace, is_built });
        }
    }
}

async fn build_and_run(
    spec: Box<TaskSpec>,
    env: Env,
    control: &mut Control,
    metrics: Arc<TaskMetrics>,
    limiter: Option<Arc<RateLimiter>>,
) -> Result<(), Error> {
    let TaskSpec {
        id,
        plugin,
        props,
        key_converter,
        value_converter,
        header_converter,
        transforms,
        errors,
        kind,
        ..
    } = *spec;
    let errors = Rc::new(ErrorHandler::new(id.clone(), errors, env.clone(), Arc::clone(&metrics)));
    let mut chain = Chain::new(Rc::clone(&errors), chain_stages(&transforms)?);
    let headers = || (header_converter.plugin.create)(&header_converter.props);
    let headers_place = Place { stage: Stage::HeaderConverter, class: header_converter.plugin.class };
    let headers = if plugin.is_source() {
        let transform = Box::new(EncodeHeaders(headers()?));
        chain.end_with_headers(ChainStage { place: headers_place, transform, condition: None });
        None
    } else {
        Some((DecodeHeaders(headers()?), EncodeHeaders(headers()?)))
    };
    let converters = Converters {
        errors,
        key: create(&key_converter, ConverterRole::Key)?,
        key_place: Place { stage: Stage::KeyConverter, class: key_converter.plugin.class },
        value: create(&value_converter, ConverterRole::Value)?,
        value_place: Place { stage: Stage::ValueConverter, class: value_converter.plugin.class },
        decodes: [true; 2],
        transforms: chain,
        headers,
        headers_place,
    };
    // Each kind of pipeline takes the room that it needs, and not that of the largest.
    match (plugin.create_task, kind) {
        (CreateTask::Source(create), TaskKind::Source(source)) => {
            let task = create(&props)?;
            let pipeline = SourcePipeline::new(id, source, task, converters, env, metrics, limiter)?;
            control.is_built = true;
            Box::pin(pipeline.run(control)).await
        }
        (CreateTask::Sink(create), TaskKind::Sink(sink)) => {
            let task = create(&props)?;
            let pipeline = SinkPipeline::new(id, sink, task, converters, env, metrics, limiter);
            control.is_built = true;
            Box::pin(pipeline.run(control)).await
        }
        (_, _) => Err(Error::fatal(format!("{} is not of the kind it was started as", plugin.class))),
    }
}

fn chain_stages(transforms: &[TransformSpec]) -> Result<Vec<ChainStage>, Error> {
    // Java wraps whatever goes wrong here.
    let wrapped = |error: Error| match error.kind() {
        Kind::Config => {
            Error::fatal(format!("{}: {}", error.java_class(), error.message())).with_source(error)
        }
        _ => error,
    };
    let stages = transforms.iter().map(|spec| {
        let condition = spec.predicate.as_ref().map(|predicate| {
            Ok::<_, Error>(Condition {
                predicate: (predicate.plugin.create)(&predicate.props).map_err(wrapped)?,
                is_negated: predicate.is_negated,
            })
        });
        Ok(ChainStage {
            place: Place { stage: Stage::Transformation, class: spec.plugin.class },
            transform: (spec.plugin.create)(&spec.props).map_err(wrapped)?,
            condition: condition.transpose()?,
        })
    });
    stages.collect()
}

fn create(spec: &ConverterSpec, role: ConverterRole) -> Result<Box<dyn api::Converter>, Error> {
    (spec.plugin.create)(&spec.props, role)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a task that was busy when it was told to stop has less time left, not the same time later.
    #[test]
    fn the_time_to_stop_runs_from_when_it_was_told_and_not_from_when_it_looked() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (orders, seen) = watch::channel(Order::new(Target::Running));
            let (events, _inbox) = mpsc::unbounded_channel();
            let id = TaskId { connector: "c".into(), task: 0 };
            let mut control = Control::new(id, 0, seen, events, Arc::default(), Arc::default());
            let limit = Duration::from_secs(5);
            assert_eq!(control.time_left(limit), None);
            orders.send_modify(|order| assert!(order.change(Target::Stopped)));
            tokio::time::advance(Duration::from_secs(3)).await;
            orders.send_modify(|order| assert!(!order.change(Target::Running)));
            assert_eq!(control.time_left(limit), Some(Duration::from_secs(2)));
            let looked = Instant::now();
            control.stopped_for(limit).await;
            assert_eq!(looked.elapsed(), Duration::from_secs(2));
            assert_eq!(control.time_left(limit), Some(Duration::ZERO));
        });
    }
}
