//! The transforms of a task, one after another, each for the records that its predicate names.
//!
//! Planned once, when the task starts: what the transforms touch decides how far records are taken apart before. Header converters
//! run as stages of the same kind, before the first transform of a sink and after the last one of a source, and only over headers that
//! are not yet, or no longer, in the form that is asked for.

use std::collections::VecDeque;
use std::rc::Rc;

use api::{
    Batch, Body, Error, Matches, Origin, Predicate, Records, RowError, Run, Tested, Touches, Transform,
    Transformed,
};
use tokio::time::Instant;

use super::decode::Step;
use super::errors::{ErrorHandler, Failure, Originals, Place, Records as Reported, Retrying};
use super::of_every_row;

/// The transforms of a task in their order.
pub(crate) struct Chain {
    errors: Rc<ErrorHandler>,
    stages: Vec<ChainStage>,
    /// Whether the last stage is of a header converter, which has nothing to do where headers are bytes.
    ends_with_headers: bool,
}

/// One transform and where it applies.
#[derive(Debug)]
pub(crate) struct ChainStage {
    pub(crate) place: Place,
    pub(crate) transform: Box<dyn Transform>,
    pub(crate) condition: Option<Condition>,
}

/// The records that a transform applies to.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) predicate: Box<dyn Predicate>,
    /// To those that do not match instead.
    pub(crate) is_negated: bool,
}

/// A batch that is being transformed: it may have to wait in the middle, where a transform asks for another attempt.
#[derive(Debug, Default)]
pub(crate) struct Transforming {
    /// Runs as they come, the next one first.
    todo: VecDeque<Run>,
    begun: Option<Box<BegunRun>>,
    done: Vec<Run>,
    /// Of each done run the place that its first row had in the run that it was made of.
    first_rows: Vec<usize>,
}

/// A run on its way through the stages.
#[derive(Debug)]
struct BegunRun {
    /// As it came.
    run: Run,
    /// The stage whose turn it is.
    stage: usize,
    /// What goes into that stage, and what has come out of it, in order.
    pieces: Vec<Records>,
    out: Vec<Records>,
    retrying: Option<Retrying>,
    failures: Vec<Failure>,
}

impl Transforming {
    pub(crate) fn new(batch: Batch) -> Transforming {
        Transforming { todo: batch.runs.into(), ..Transforming::default() }
    }

    /// Where the runs of a batch that was one run begin in it, once it is transformed.
    pub(crate) fn first_rows(&self) -> &[usize] {
        &self.first_rows
    }

    /// Drops the records of partitions that are no longer ours.
    pub(crate) fn forget(&mut self, is_gone: &impl Fn(&Run) -> bool) {
        self.todo.retain(|run| !is_gone(run));
        self.done.retain(|run| !is_gone(run));
        self.begun.take_if(|begun| is_gone(&begun.run));
    }
}

impl Chain {
    pub(crate) fn new(errors: Rc<ErrorHandler>, stages: Vec<ChainStage>) -> Chain {
        Chain { errors, stages, ends_with_headers: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether there is more than the header converter at the end.
    pub(crate) fn has_transforms(&self) -> bool {
        self.stages.len() > usize::from(self.ends_with_headers)
    }

    /// Adds a stage before all others.
    pub(crate) fn begin_with(&mut self, stage: ChainStage) {
        self.stages.insert(0, stage);
    }

    /// Adds the stage of a header converter after all others.
    pub(crate) fn end_with_headers(&mut self, stage: ChainStage) {
        self.stages.push(stage);
        self.ends_with_headers = true;
    }

    /// Whether nothing would happen to a run. What is still packed here is what nobody looks into.
    pub(crate) fn is_idle_for(&self, run: &Run) -> bool {
        match &run.body {
            Body::Packed(_) => true,
            Body::Columns(columns) => {
                self.stages.is_empty()
                    || (self.stages.len() == 1 && self.ends_with_headers && columns.headers.is_raw())
            }
        }
    }

    /// Everything that any of the transforms and predicates touches.
    pub(crate) fn touches(&self) -> Touches {
        self.stages.iter().fold(Touches::NOTHING, |all, stage| {
            let tested = stage.condition.as_ref().map_or(Touches::NOTHING, |it| it.predicate.touches());
            all.and(stage.transform.touches()).and(tested)
        })
    }

    /// Takes every run through all transforms. To be called again with the same `work` when it has waited.
    ///
    /// # Errors
    /// When a row fails and is not tolerated, or a transform cannot work at all.
    pub(crate) fn transform(
        &mut self,
        work: &mut Transforming,
        originals: Option<&Originals>,
    ) -> Result<Step<Batch>, Error> {
        loop {
            let mut begun = match work.begun.take() {
                Some(begun) => *begun,
                None => match work.todo.pop_front() {
                    None => return Ok(Step::Done(Batch { runs: std::mem::take(&mut work.done) })),
                    Some(run) => match Records::of_run(run.clone()) {
                        Some(records) => BegunRun {
                            run,
                            stage: 0,
                            pieces: vec![records],
                            out: Vec::new(),
                            retrying: None,
                            failures: Vec::new(),
                        },
                        None => {
                            work.done.push(run);
                            work.first_rows.push(0);
                            continue;
                        }
                    },
                },
            };
            if let Some(due) = self.run_stages(&mut begun)? {
                work.begun = Some(Box::new(begun));
                return Ok(Step::Wait(due));
            }
            let BegunRun { run, pieces, failures, .. } = begun;
            if !failures.is_empty() {
                match (&run.origin, originals) {
                    (Origin::Kafka { from, offsets }, Some(originals)) => {
                        self.errors.judge(failures, Reported::Consumed { originals, from, offsets })?
                    }
                    _ => self.errors.judge(failures, Reported::Polled(&run))?,
                };
            }
            work.first_rows.extend(pieces.iter().map(Records::first_row));
            work.done.extend(pieces.into_iter().map(Records::into_run));
        }
    }

    /// Takes a run through the stages that it has not been through; says when to go on, if some rows have to wait.
    fn run_stages(&mut self, begun: &mut BegunRun) -> Result<Option<Instant>, Error> {
        while let Some(stage) = self.stages.get_mut(begun.stage) {
            let mut errors = Vec::new();
            let before = begun.retrying.take();
            match &before {
                Some(waiting) if Instant::now() < waiting.due => {
                    let due = waiting.due;
                    begun.retrying = before;
                    return Ok(Some(due));
                }
                Some(waiting) => {
                    for RowError { row, .. } in &waiting.rows {
                        if let Some(record) = record_at(&begun.pieces, *row) {
                            stage.apply(record, &mut begun.out, &mut errors)?;
                        }
                    }
                    begun.out.sort_by_key(Records::first_row);
                }
                None => {
                    // The pieces stay, for another attempt with some of their rows.
                    for piece in &begun.pieces {
                        stage.apply(piece.clone(), &mut begun.out, &mut errors)?;
                    }
                }
            }
            begun.retrying = self.errors.sort(stage.place, errors, before.as_ref(), &mut begun.failures);
            if let Some(waiting) = &begun.retrying {
                return Ok(Some(waiting.due));
            }
            begun.pieces = std::mem::take(&mut begun.out);
            begun.stage += 1;
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("stages", &self.stages).finish_non_exhaustive()
    }
}

/// The record at a place of the run that entered the chain.
fn record_at(pieces: &[Records], row: usize) -> Option<Records> {
    let after = pieces.partition_point(|piece| piece.first_row() <= row);
    let piece = &pieces[after.checked_sub(1)?];
    let within = row - piece.first_row();
    (within < piece.len()).then(|| piece.slice(within, 1))
}

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Transform,
    Pass,
    Fail,
}

impl ChainStage {
    /// Applies the transform to those that it is for; the others pass. Errors name rows of the run that entered the chain.
    fn apply(
        &mut self,
        records: Records,
        out: &mut Vec<Records>,
        errors: &mut Vec<RowError>,
    ) -> Result<(), Error> {
        let Some(Condition { predicate, is_negated }) = &mut self.condition else {
            return self.transform(records, out, errors);
        };
        let is_negated = *is_negated;
        let (first, rows) = (records.first_row(), records.len());
        let tested = predicate.test(&records).or_else(|error| {
            Ok::<_, Error>(Tested { matches: Matches::None, errors: of_every_row(rows, error)? })
        })?;
        let course = |is_match: bool| if is_match == is_negated { Course::Pass } else { Course::Transform };
        let whole = match tested.matches {
            Matches::All => Some(course(true)),
            Matches::None => Some(course(false)),
            Matches::Each(_) => None,
        };
        match (whole, tested.errors.is_empty()) {
            (Some(Course::Transform), true) => return self.transform(records, out, errors),
            (Some(_), true) => {
                out.push(records);
                return Ok(());
            }
            _ => {}
        }
        let mut failed = tested.errors.iter().map(|error| error.row).peekable();
        let mut course_of = |row: usize| {
            if failed.next_if(|failed| *failed <= row).is_some() {
                return Course::Fail;
            }
            match &tested.matches {
                Matches::All => course(true),
                Matches::None => course(false),
                Matches::Each(bits) => course(bits.value(row)),
            }
        };
        let mut start = 0;
        let mut now = if rows > 0 { course_of(0) } else { Course::Pass };
        for row in 1..=rows {
            let next = if row < rows { Some(course_of(row)) } else { None };
            if next == Some(now) {
                continue;
            }
            match now {
                Course::Transform => self.transform(records.slice(start, row - start), out, errors)?,
                Course::Pass => out.push(records.slice(start, row - start)),
                Course::Fail => {}
            }
            (start, now) = (row, next.unwrap_or(now));
        }
        errors.extend(tested.errors.into_iter().map(|error| RowError { row: first + error.row, ..error }));
        errors.sort_by_key(|error| error.row);
        Ok(())
    }

    fn transform(
        &mut self,
        records: Records,
        out: &mut Vec<Records>,
        errors: &mut Vec<RowError>,
    ) -> Result<(), Error> {
        let (first, rows) = (records.first_row(), records.len());
        let mut transformed = Transformed::default();
        match self.transform.apply(records, &mut transformed) {
            Ok(()) => {
                let (pieces, failed) = transformed.into_parts();
                if !pieces.iter().all(Records::is_complete) {
                    return Err(Error::fatal(format!(
                        "{} gave columns of differing lengths, which is a bug of it",
                        self.place.class
                    )));
                }
                out.extend(pieces);
                errors.extend(failed);
            }
            Err(error) => {
                let failed = of_every_row(rows, error)?;
                errors.extend(failed.into_iter().map(|error| RowError { row: first + error.row, ..error }));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use api::{Body, Column, Columns, Headers, SourceOffsets, SourcePartition, Timestamps, Value, ValueRef};
    use arrow_array::StringViewArray;
    use arrow_buffer::BooleanBuffer;
    use protocol::net::Env;

    use api::Tier;

    use crate::pipeline::{Chain, ChainStage, Condition, DecodeHeaders, Stage};
    use crate::task::{ErrorPolicy, TaskId, Tolerance};

    use super::*;

    /// Puts records into the topic `to`. Fails on values that begin with `!`, and once on those that begin with `?`.
    #[derive(Debug)]
    struct Route {
        asked_again: bool,
    }

    impl Transform for Route {
        fn touches(&self) -> Touches {
            Touches::VALUE
        }

        fn apply(&mut self, mut records: Records, out: &mut Transformed) -> api::Result<()> {
            records.topic = Arc::from("to");
            let mut errors = Vec::new();
            for row in 0..records.len() {
                match text(&records, row).as_bytes().first() {
                    Some(b'!') => errors.push(RowError { row, error: Error::bad_record("bad") }),
                    Some(b'?') if !self.asked_again => {
                        errors.push(RowError { row, error: Error::retriable("not yet") });
                    }
                    _ => {}
                }
            }
            self.asked_again = true;
            out.push_with_errors(records, errors);
            Ok(())
        }
    }

    /// Values that end with `+`; cannot say of an empty one.
    #[derive(Debug)]
    struct Plus;

    impl Predicate for Plus {
        fn touches(&self) -> Touches {
            Touches::NOTHING
        }

        fn test(&mut self, records: &Records) -> api::Result<Tested> {
            let bits = BooleanBuffer::collect_bool(records.len(), |row| text(records, row).ends_with('+'));
            let empty = (0..records.len()).filter(|row| text(records, *row).is_empty());
            let errors = empty.map(|row| RowError { row, error: Error::bad_record("empty") }).collect();
            Ok(Tested { matches: Matches::each(bits), errors })
        }
    }

    fn text(records: &Records, row: usize) -> String {
        match records.columns.value.row(row) {
            ValueRef::String(text) => text.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn chain(policy: ErrorPolicy, is_negated: Option<bool>) -> Chain {
        let id = TaskId { connector: Arc::from("c"), task: 0 };
        let errors = Rc::new(ErrorHandler::new(id, policy, Env::real(), Arc::default()));
        let condition = is_negated.map(|is_negated| Condition { predicate: Box::new(Plus), is_negated });
        let place = Place { stage: Stage::Transformation, class: "Route" };
        let transform = Box::new(Route { asked_again: false });
        Chain::new(errors, vec![ChainStage { place, transform, condition }])
    }

    fn run_of(values: &[&str]) -> Run {
        let columns = Columns {
            key: Column::null(values.len()),
            value: Column::strings(StringViewArray::from_iter_values(values)),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let positions = (0..values.len() as i64).collect();
        let offsets = SourceOffsets::Long { field: Arc::from("n"), values: positions };
        let origin = Origin::Source { partition: SourcePartition::none(), offsets };
        Run { topic: Arc::from("from"), partition: None, origin, body: Body::Columns(columns) }
    }

    /// `topic:value@offset` of every record.
    fn shown(batch: Batch) -> Vec<String> {
        let mut shown = Vec::new();
        for run in batch.runs {
            let topic = Arc::clone(&run.topic);
            let Origin::Source { offsets, .. } = run.origin.clone() else { panic!() };
            let records = Records::of_run(run).unwrap();
            for row in 0..records.len() {
                let offset = offsets.get(row).unwrap().remove(0).1;
                let Value::Int64(offset) = offset else { panic!() };
                shown.push(format!("{topic}:{}@{offset}", text(&records, row)));
            }
        }
        shown
    }

    fn transform(chain: &mut Chain, values: &[&str]) -> Result<Vec<String>, Error> {
        let mut work = Transforming::new(Batch { runs: vec![run_of(values)] });
        match chain.transform(&mut work, None)? {
            Step::Done(batch) => Ok(shown(batch)),
            Step::Wait(_) => panic!("nothing is to be tried again"),
        }
    }

    fn tolerant() -> ErrorPolicy {
        ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() }
    }

    #[test]
    fn a_predicate_cuts_a_run_and_its_order_stays() {
        let values = ["a+", "b", "c+", "d+", "e"];
        let all = transform(&mut chain(tolerant(), None), &values).unwrap();
        assert_eq!(all, ["to:a+@0", "to:b@1", "to:c+@2", "to:d+@3", "to:e@4"]);
        let some = transform(&mut chain(tolerant(), Some(false)), &values).unwrap();
        assert_eq!(some, ["to:a+@0", "from:b@1", "to:c+@2", "to:d+@3", "from:e@4"]);
        let others = transform(&mut chain(tolerant(), Some(true)), &values).unwrap();
        assert_eq!(others, ["from:a+@0", "to:b@1", "from:c+@2", "from:d+@3", "to:e@4"]);
    }

    #[test]
    fn rows_that_fail_in_transform_or_predicate_are_skipped_or_end_the_task() {
        let values = ["!a+", "!b", "", "c+", "!d+"];
        let left = transform(&mut chain(tolerant(), Some(false)), &values).unwrap();
        assert_eq!(left, ["from:!b@1", "to:c+@3"]);
        let error = transform(&mut chain(ErrorPolicy::default(), Some(false)), &values).unwrap_err();
        assert_eq!(error.message(), "Tolerance exceeded in error handler");
    }

    #[test]
    fn rows_that_fail_for_now_are_tried_again_and_come_out_in_their_place() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let policy =
                ErrorPolicy { retry_timeout: Some(Duration::from_secs(60)), ..ErrorPolicy::default() };
            let mut chain = chain(policy, None);
            let mut work = Transforming::new(Batch { runs: vec![run_of(&["a", "?b", "c", "?d"])] });
            let Step::Wait(due) = chain.transform(&mut work, None).unwrap() else { panic!() };
            assert!(matches!(chain.transform(&mut work, None).unwrap(), Step::Wait(again) if again == due));
            // The sleep is the time that the chain asked to wait.
            tokio::time::sleep_until(due).await;
            let Step::Done(batch) = chain.transform(&mut work, None).unwrap() else { panic!() };
            assert_eq!(shown(batch), ["to:a@0", "to:?b@1", "to:c@2", "to:?d@3"]);
        });
    }

    /// Goal: what nobody looks into is not decoded, and without transforms batches stay whole.
    #[test]
    fn a_sink_pays_for_what_its_transforms_touch() {
        let plan = |name: &str, tier| {
            let plugin = crate::transform::PREDICATES.iter().find(|plugin| plugin.class.ends_with(name));
            let mut stages = Vec::new();
            if let Some(plugin) = plugin {
                let predicate = (plugin.create)(&api::Props::new()).unwrap();
                let transform = Box::new(DecodeHeaders(
                    (crate::convert::SIMPLE_HEADERS.create)(&api::Props::new()).unwrap(),
                ));
                let condition = Some(Condition { predicate, is_negated: false });
                let place = Place { stage: Stage::Transformation, class: "" };
                stages.push(ChainStage { place, transform, condition });
            }
            let mut converters = crate::pipeline::decode::test_converters(stages);
            (converters.plan(tier, false), converters.decodes)
        };
        assert_eq!(plan("none", Tier::Bytes), (Tier::Bytes, [false, false]));
        assert_eq!(plan("none", Tier::Columns), (Tier::Columns, [true, true]));
        assert_eq!(plan("RecordIsTombstone", Tier::Bytes), (Tier::Index, [false, true]));
    }
}
