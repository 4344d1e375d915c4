//! The one task per connection that touches the stream: writes what is queued, reads frames, hands each to the call it answers.
//!
//! Reads and writes share a task so that the stream needs no split and no lock. A caller only queues a frame and wakes the task,
//! so all frames that were queued in one turn of the executor leave in one vectored write. Brokers answer in request order
//! (KIP-219 keeps it so), so what is in flight is a queue, and an answer out of order is a broken peer.
//!
//! A caller that gives up before its time is over leaves a request behind whose answer may never come, and then nothing behind it is answered
//! either: the driver sees to its time limit from then on (Java: `NetworkClient#handleTimedOutRequests`). It does not for those that still
//! wait, who do so themselves: a timer that outlives its request would wake a thread once more for each of a thousand idle connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::env::Stream;
use super::metrics::ConnectionMetrics;
use super::tls;
use crate::wire::frame::LENGTH_PREFIX_BYTES;
use crate::wire::records::{BufferPool, PooledBuffer};
use crate::{Error, ErrorKind};

/// Small frames are read through a buffer of this size, several per system call; larger ones go straight into pooled buffers. Each connection
/// has one, and an idle sink has two connections.
const STAGING_BYTES: usize = 4 * 1024;
/// While a large frame comes in, a wake-up is for so many bytes of it: a wake-up costs as much as copying tens of kilobytes.
const LOW_WATER_BYTES_MAX: usize = 256 * 1024;
/// How many pieces one vectored write takes at most; the kernel's own limit is 1,024.
const WRITE_PIECES_MAX: usize = 64;
/// A response is at least its correlation id.
const FRAME_BYTES_MIN: usize = 4;

/// What a call waits on: the response frame without its length, or why there is none.
pub(super) type ReplyReceiver = oneshot::Receiver<Result<Bytes, Error>>;

/// State that callers and the driver share on one thread.
#[derive(Debug)]
pub(super) struct Shared {
    state: RefCell<State>,
    metrics: ConnectionMetrics,
}

#[derive(Debug, Default)]
struct State {
    /// Pieces of frames that are not written yet, in order.
    outgoing: VecDeque<Bytes>,
    /// Calls whose frame has no response (`acks=0`).
    one_way: VecDeque<OneWay>,
    queued_bytes_total: u64,
    written_bytes_total: u64,
    /// While the connection authenticates again, everybody else's frames wait here, in order.
    held: Option<VecDeque<Held>>,
    /// Told when nothing is on its way any more.
    drained: Option<oneshot::Sender<()>>,
    /// Calls whose response is awaited, oldest first.
    in_flight: VecDeque<InFlight>,
    last_correlation_id: i32,
    /// When the time is over of the first call whose caller has gone; it may be done with meanwhile.
    abandoned_until: Option<Instant>,
    /// Why this connection is dead; set once, by whoever notices first.
    poison: Option<Error>,
    driver: Option<Waker>,
    watchers: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct InFlight {
    correlation_id: i32,
    call: Call,
}

#[derive(Debug)]
struct OneWay {
    /// How many bytes must have been written before it is done.
    end: u64,
    call: Call,
}

#[derive(Debug)]
struct Held {
    pieces: VecDeque<Bytes>,
    correlation_id: i32,
    expects_response: bool,
    call: Call,
}

#[derive(Debug)]
struct Call {
    /// When its time is over, whether its caller still waits or not.
    deadline: Instant,
    /// Closed when the caller has gone; the answer is then read and dropped.
    reply: oneshot::Sender<Result<Bytes, Error>>,
}

impl Call {
    fn done(self, outcome: Result<Bytes, Error>) {
        // The caller may have given up; nobody is left to tell then.
        self.reply.send(outcome).ok();
    }
}

/// Whose frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Caller,
    /// It goes out although others are held back.
    Authentication,
}

impl Shared {
    /// The state of a connection that was just made.
    pub(super) fn new(metrics: ConnectionMetrics) -> Self {
        metrics.opened();
        Self { state: RefCell::default(), metrics }
    }

    pub(super) fn metrics(&self) -> &ConnectionMetrics {
        &self.metrics
    }

    /// Queues one frame at `now`, made by `frame` from its correlation id. Without `expects_response` the receiver resolves to empty
    /// bytes as soon as the frame is written. Whoever waits for it does so until `deadline`, or [abandons](Self::abandon) it.
    pub(super) fn enqueue(
        &self,
        origin: Origin,
        expects_response: bool,
        now: Instant,
        deadline: Instant,
        frame: impl FnOnce(i32, &mut VecDeque<Bytes>) -> Result<(), Error>,
    ) -> Result<ReplyReceiver, Error> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Some(cause) = &state.poison {
            return Err(cause.clone());
        }
        let correlation_id = state.last_correlation_id.wrapping_add(1) & i32::MAX;
        let (reply, receiver) = oneshot::channel();
        let call = Call { deadline, reply };
        if let (Some(held), Origin::Caller) = (&mut state.held, origin) {
            let mut pieces = VecDeque::new();
            frame(correlation_id, &mut pieces)?;
            state.last_correlation_id = correlation_id;
            self.metrics.sent(pieces.iter().map(Bytes::len).sum(), now);
            held.push_back(Held { pieces, correlation_id, expects_response, call });
            return Ok(receiver);
        }
        let piece_count = state.outgoing.len();
        if let Err(error) = frame(correlation_id, &mut state.outgoing) {
            state.outgoing.truncate(piece_count);
            return Err(error);
        }
        let bytes: usize = state.outgoing.range(piece_count..).map(Bytes::len).sum();
        state.last_correlation_id = correlation_id;
        self.metrics.sent(bytes, now);
        state.queued_bytes_total += bytes as u64;
        if expects_response {
            state.in_flight.push_back(InFlight { correlation_id, call });
        } else {
            state.one_way.push_back(OneWay { end: state.queued_bytes_total, call });
        }
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
        Ok(receiver)
    }

    /// The caller of a request that is not answered has gone: it may be answered until `deadline`.
    pub(super) fn abandon(&self, deadline: Instant) {
        let mut state = self.state.borrow_mut();
        if state.poison.is_none() && state.abandoned_until.is_none_or(|first| deadline < first) {
            state.abandoned_until = Some(deadline);
            if let Some(driver) = state.driver.take() {
                driver.wake();
            }
        }
    }

    /// Marks the connection dead and fails everything in flight with `cause`. The first cause stays. Where the cause is that one
    /// response could not be read, to all others it is only a lost connection, which may be tried again.
    pub(super) fn poison(&self, cause: Error) {
        let mut state = self.state.borrow_mut();
        if state.poison.is_some() {
            return;
        }
        let cause = match cause.kind() {
            ErrorKind::Disconnected | ErrorKind::Timeout | ErrorKind::Closed => cause,
            _ => Error::disconnected("await response", cause),
        };
        state.poison = Some(cause.clone());
        self.metrics.closed();
        state.outgoing.clear();
        state.drained = None;
        let held = state.held.take().unwrap_or_default();
        let in_flight = std::mem::take(&mut state.in_flight);
        let one_way = std::mem::take(&mut state.one_way);
        let watchers = std::mem::take(&mut state.watchers);
        let driver = state.driver.take();
        drop(state);
        let in_flight = in_flight.into_iter().map(|sent| sent.call);
        let one_way = one_way.into_iter().map(|sent| sent.call);
        let held = held.into_iter().map(|held| held.call);
        for call in in_flight.chain(one_way).chain(held) {
            call.done(Err(cause.clone()));
        }
        for watcher in watchers {
            watcher.send(()).ok();
        }
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// From now on only frames of [`Origin::Authentication`] go out. Resolves when all others are done with, or the connection is.
    pub(super) async fn hold(&self) {
        let receiver = {
            let mut state = self.state.borrow_mut();
            if state.poison.is_some() {
                return;
            }
            state.held.get_or_insert_default();
            if state.is_drained() {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            state.drained = Some(sender);
            receiver
        };
        receiver.await.ok();
    }

    /// Lets everything go that was held back, in its order.
    pub(super) fn release(&self) {
        let mut state = self.state.borrow_mut();
        for Held { pieces, correlation_id, expects_response, call } in state.held.take().unwrap_or_default() {
            state.queued_bytes_total += pieces.iter().map(Bytes::len).sum::<usize>() as u64;
            state.outgoing.extend(pieces);
            if expects_response {
                state.in_flight.push_back(InFlight { correlation_id, call });
            } else {
                let end = state.queued_bytes_total;
                state.one_way.push_back(OneWay { end, call });
            }
        }
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
    }

    /// Fails the oldest call in flight: the response that could not be read is the one to it.
    fn fail_oldest(&self, cause: &Error) {
        let oldest = self.state.borrow_mut().in_flight.pop_front();
        if let Some(oldest) = oldest {
            oldest.call.done(Err(cause.clone()));
        }
    }

    pub(super) fn poisoned(&self) -> Option<Error> {
        self.state.borrow().poison.clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.borrow().poison.is_none()
    }

    pub(super) fn in_flight_count(&self) -> usize {
        let state = self.state.borrow();
        state.in_flight.len() + state.one_way.len() + state.held.as_ref().map_or(0, VecDeque::len)
    }

    /// Resolves when the connection is dead.
    pub(super) async fn closed(&self) {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.borrow_mut();
            if state.poison.is_some() {
                return;
            }
            state.watchers.retain(|watcher| !watcher.is_closed());
            state.watchers.push(sender);
        }
        receiver.await.ok();
    }

    fn deliver(&self, frame: Bytes) -> Result<(), Error> {
        const DOING: &str = "match response to request";
        let correlation_id = (&frame[..]).get_i32();
        let mut state = self.state.borrow_mut();
        let Some(oldest) = state.in_flight.pop_front() else {
            return Err(Error::malformed(DOING, format!("nothing awaits response {correlation_id}")));
        };
        if oldest.correlation_id != correlation_id {
            let detail = format!("expected correlation id {}, got {correlation_id}", oldest.correlation_id);
            // The popped call must hear of it too.
            state.in_flight.push_front(oldest);
            return Err(Error::malformed(DOING, detail));
        }
        state.tell_if_drained();
        drop(state);
        self.metrics.received(LENGTH_PREFIX_BYTES + frame.len(), Instant::now());
        oldest.call.done(Ok(frame));
        Ok(())
    }
}

/// The future that moves bytes until the connection is poisoned. It never fails: the outcome is the poison.
pub(super) struct Driver {
    stream: Box<dyn Stream>,
    shared: Rc<Shared>,
    reader: FrameReader,
    needs_flush: bool,
    /// Set to the state's `abandoned_until`.
    timer: Pin<Box<Sleep>>,
}

impl Driver {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        shared: Rc<Shared>,
        pool: BufferPool,
        frame_bytes_max: usize,
    ) -> Self {
        let reader = FrameReader::new(pool, frame_bytes_max);
        // It is set before it is looked at.
        let timer = Box::pin(sleep_until(Instant::now()));
        Self { stream, shared, reader, needs_flush: false, timer }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let mut state = self.shared.state.borrow_mut();
            if state.outgoing.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); WRITE_PIECES_MAX];
            let mut slice_count = 0;
            for (slot, piece) in slices.iter_mut().zip(&state.outgoing) {
                *slot = IoSlice::new(piece);
                slice_count += 1;
            }
            match Pin::new(&mut *self.stream).poll_write_vectored(cx, &slices[..slice_count]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(Error::disconnected("write request", error)),
                Poll::Ready(Ok(0)) => {
                    return Err(Error::disconnected(
                        "write request",
                        io::Error::from(io::ErrorKind::WriteZero),
                    ));
                }
                Poll::Ready(Ok(written)) => {
                    self.needs_flush = true;
                    state.advance(written);
                }
            }
        }
        if self.needs_flush {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(error)) => return Err(Error::disconnected("flush request", error)),
            }
        }
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            match self.reader.poll_frame(&mut *self.stream, cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(frame)) => self.shared.deliver(frame)?,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// Fails where the time is over of a call that nobody waits for any more. What has been read before is answered.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let mut state = self.shared.state.borrow_mut();
            let Some(next) = state.abandoned_until else { return Ok(()) };
            if self.timer.deadline() != next {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            state.abandoned_until = state.first_abandoned();
            if state.abandoned_until.is_some_and(|first| first <= Instant::now()) {
                return Err(Error::timeout("await response"));
            }
        }
    }
}

impl State {
    /// When the time is over of the first call that is not done with and whose caller has gone. Later calls may have less time than earlier
    /// ones.
    fn first_abandoned(&self) -> Option<Instant> {
        let in_flight = self.in_flight.iter().map(|sent| &sent.call);
        let one_way = self.one_way.iter().map(|sent| &sent.call);
        let held = self.held.iter().flatten().map(|held| &held.call);
        let all = in_flight.chain(one_way).chain(held);
        all.filter(|call| call.reply.is_closed()).map(|call| call.deadline).min()
    }

    fn advance(&mut self, mut written: usize) {
        self.written_bytes_total += written as u64;
        while written > 0 {
            let Some(front) = self.outgoing.front_mut() else { break };
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.outgoing.pop_front();
        }
        while self.one_way.front().is_some_and(|sent| sent.end <= self.written_bytes_total) {
            if let Some(sent) = self.one_way.pop_front() {
                sent.call.done(Ok(Bytes::new()));
            }
        }
        self.tell_if_drained();
    }

    fn is_drained(&self) -> bool {
        self.in_flight.is_empty() && self.one_way.is_empty()
    }

    fn tell_if_drained(&mut self) {
        if self.is_drained()
            && let Some(drained) = self.drained.take()
        {
            drained.send(()).ok();
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let outcome =
            this.poll_read(cx).and_then(|()| this.poll_write(cx)).and_then(|()| this.poll_abandoned(cx));
        if let Err(cause) = outcome {
            if !matches!(cause.kind(), ErrorKind::Disconnected | ErrorKind::Timeout) {
                this.shared.fail_oldest(&cause);
            }
            this.shared.poison(cause);
        }
        let mut state = this.shared.state.borrow_mut();
        if state.poison.is_some() {
            return Poll::Ready(());
        }
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            state.driver = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Cuts the byte stream into frames. Lengths are checked before anything is allocated for them.
struct FrameReader {
    pool: BufferPool,
    frame_bytes_max: usize,
    staging: Box<[u8]>,
    start: usize,
    end: usize,
    /// A frame too large for the staging buffer, and the bytes that it still lacks.
    body: Option<(PooledBuffer, usize)>,
    /// For how many bytes the stream wakes us.
    low_water: usize,
}

impl FrameReader {
    fn new(pool: BufferPool, frame_bytes_max: usize) -> Self {
        let staging = vec![0; STAGING_BYTES].into_boxed_slice();
        Self { pool, frame_bytes_max, staging, start: 0, end: 0, body: None, low_water: 1 }
    }

    fn poll_frame(&mut self, stream: &mut dyn Stream, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        loop {
            if let Some((buffer, missing)) = &mut self.body {
                let mut limited = buffer.limit(*missing);
                let read = std::pin::pin!(stream.read_buf(&mut limited));
                let Poll::Ready(read) = read.poll(cx) else {
                    let wanted = (*missing).min(LOW_WATER_BYTES_MAX);
                    if self.low_water != wanted {
                        self.low_water = wanted;
                        // Where so much has come meanwhile, that wakes us at once.
                        stream.set_low_water(wanted);
                    }
                    return Poll::Pending;
                };
                let count = read.map_err(read_failed)?;
                if count == 0 {
                    return Poll::Ready(Err(end_of_stream(true)));
                }
                *missing -= count;
                if *missing == 0 {
                    let (buffer, _) = self.body.take().expect("the body was just read");
                    return Poll::Ready(Ok(buffer.freeze()));
                }
                continue;
            }
            if let Some(frame) = self.next_staged()? {
                return Poll::Ready(Ok(frame));
            }
            if self.body.is_some() {
                continue;
            }
            if self.low_water != 1 {
                self.low_water = 1;
                stream.set_low_water(1);
            }
            if self.start == self.end {
                self.start = 0;
                self.end = 0;
            } else if self.end == self.staging.len() {
                self.staging.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let mut free = ReadBuf::new(&mut self.staging[self.end..]);
            ready!(AsyncRead::poll_read(Pin::new(&mut *stream), cx, &mut free)).map_err(read_failed)?;
            let count = free.filled().len();
            if count == 0 {
                return Poll::Ready(Err(end_of_stream(self.start != self.end)));
            }
            self.end += count;
        }
    }

    /// The next frame that is whole in the staging buffer; or a large one is moved on to a buffer of its own.
    fn next_staged(&mut self) -> Result<Option<Bytes>, Error> {
        let staged = &self.staging[self.start..self.end];
        let Some((head, rest)) = staged.split_first_chunk::<4>() else { return Ok(None) };
        let announced = i32::from_be_bytes(*head);
        let length = usize::try_from(announced).unwrap_or(0);
        if matches!(head, [0x15 | 0x16, 3, 0..=4, _]) {
            // An alert or handshake record: no frame that we would accept is that long.
            let detail = "the answer is TLS: set security.protocol to SSL or SASL_SSL for this listener";
            return Err(Error::malformed("read response frame", detail));
        }
        if length < FRAME_BYTES_MIN {
            let detail = format!(
                "frame length {announced} is not possible: is this a Kafka broker, with the right protocol?"
            );
            return Err(Error::malformed("read response frame", detail));
        }
        if length > self.frame_bytes_max {
            return Err(Error::too_large(
                "read response frame",
                length,
                self.frame_bytes_max,
                "frame_bytes_max",
            ));
        }
        if rest.len() >= length {
            let frame = Bytes::copy_from_slice(&rest[..length]);
            self.start += 4 + length;
            return Ok(Some(frame));
        }
        if length + 4 > self.staging.len() {
            let mut buffer = self.pool.get(length);
            buffer.put_slice(rest);
            let missing = length - rest.len();
            self.start = 0;
            self.end = 0;
            self.body = Some((buffer, missing));
        }
        Ok(None)
    }
}

fn read_failed(error: io::Error) -> Error {
    tls::alert_of(&error).unwrap_or_else(|| Error::disconnected("read response", error))
}

fn end_of_stream(inside_frame: bool) -> Error {
    let detail = if inside_frame {
        "the broker closed the connection inside a frame"
    } else {
        "the broker closed the connection"
    };
    Error::new(ErrorKind::Disconnected, "read response").with_source(detail)
}
