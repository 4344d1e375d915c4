//! Any bytes as what a client sends to the embedded broker: whole requests with good headers and any body, or anything at
//! all. The broker neither panics nor waits for ever nor keeps more than it may.

use std::time::Duration;

use broker::{Broker, Builder};
use bytes::Bytes;
use protocol::for_every_request;
use protocol::wire::messages::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::within;

const LOG_BYTES_MAX: usize = 1 << 20;
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Logs, topics, groups and sessions at their limits, frames and answers.
const BYTES_MAX: usize = 32 << 20;
/// Of virtual time: how long a client waits for an answer, which is longer than any timeout of groups and transactions, and
/// how long it may take in all.
const QUIET: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_hours(1000);

/// The API and the version of a request, and its length.
const REQUEST_HEAD_BYTES: usize = 3;

pub fn broker(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let mut conversation = Conversation::default();
    if choice & 1 == 0 {
        conversation.send(create_topic());
        requests(&mut conversation, rest);
    } else {
        conversation.send(Bytes::copy_from_slice(rest));
    }
    conversation.hold(&builder());
}

/// A broker with a user whose password nobody knows.
pub(super) fn with_users() -> Builder {
    thread_local! {
        // The password's hash takes long on purpose.
        static WITH_USERS: Builder = builder().user("user", "correct horse battery staple");
    }
    WITH_USERS.with(Clone::clone)
}

fn builder() -> Builder {
    Broker::builder()
        .seed(1)
        .wall_clock_ms(|| 1_700_000_000_000)
        .memory_bytes_max(LOG_BYTES_MAX)
        .frame_bytes_max(FRAME_BYTES_MAX)
        .partition_count_max(32)
        .group_count_max(8)
        .group_member_count_max(8)
        .transactional_id_count_max(8)
}

fn create_topic() -> Bytes {
    let topic = create_topics_request::CreatableTopic::default()
        .with_name(StrBytes::from_static_str("t").into())
        .with_num_partitions(2)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    protocol::wire::frame::encode_request(&request, 7, 1, None).expect("a good request")
}

/// Requests one after the other, each with a head of its own before its body.
fn requests(conversation: &mut Conversation, mut rest: &[u8]) {
    macro_rules! apis {
        ($($request:ident)*) => { &[$(head::<$request>),*] };
    }
    let apis: &[fn(u8) -> Vec<u8>] = for_every_request!(apis);
    while let Some((&[api, version, length], after)) = rest.split_first_chunk::<REQUEST_HEAD_BYTES>() {
        let (body, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        let mut frame = apis[usize::from(api) % apis.len()](version);
        frame.extend_from_slice(body);
        let length = frame.len() as u32;
        conversation.send([&length.to_be_bytes()[..], &frame].concat().into());
    }
}

/// The header of a request, correlation id 7 and no client id.
fn head<R: Request>(version: u8) -> Vec<u8> {
    let count = R::VERSIONS.max - R::VERSIONS.min + 1;
    let version = R::VERSIONS.min + i16::from(version) % count;
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(None);
    let mut bytes = Vec::new();
    header.encode(&mut bytes, R::header_version(version)).expect("a good header");
    bytes
}

/// What one client says in its life.
#[derive(Default)]
pub(super) struct Conversation {
    sent: Vec<u8>,
}

impl Conversation {
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.sent.extend_from_slice(&bytes);
    }

    /// Says all of it to a new broker, and listens until nothing more comes. The clock stands still while anything happens
    /// and jumps when nothing does.
    pub(super) fn hold(self, builder: &Builder) {
        within(BYTES_MAX, || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.expect("a runtime");
            LocalSet::new().block_on(&runtime, async {
                let broker = builder.clone().build();
                let (ours, theirs) = duplex(FRAME_BYTES_MAX);
                let serve = broker.serve_stream(1, "127.0.0.1", theirs);
                let both = timeout(PATIENCE, async { tokio::join!(serve, self.talk(ours)) });
                both.await.expect("the broker lets go of a client that has gone");
                assert!(broker.memory_bytes_used() <= LOG_BYTES_MAX);
            });
        });
    }

    /// Sends everything, and goes when no answer has come for long; the broker may hang up before.
    async fn talk(&self, stream: DuplexStream) {
        let (mut answers, mut requests) = tokio::io::split(stream);
        let write = async {
            requests.write_all(&self.sent).await.ok();
            std::future::pending::<()>().await;
        };
        let read = async {
            let mut room = [0; 4096];
            while let Ok(Ok(1..)) = timeout(QUIET, answers.read(&mut room)).await {}
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
    }
}
