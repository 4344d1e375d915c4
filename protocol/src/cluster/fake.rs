//! A scripted cluster for unit tests: brokers over in-memory pipes that check sequences as Kafka does and fail when told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, InitProducerIdRequest,
    InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, ProducerId,
};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{Cluster, ClusterConfig, HostPort};
use crate::net::{DialFuture, Dialer, Env, SocketBuffers, Stream};
use crate::wire::frame;
use crate::wire::records::BatchHeader;
use crate::wire::versions::SUPPORTED;

/// Nodes listen here: host `node`, port = this + node id.
const PORT: u16 = 9_000;

/// What a broker does with one request instead of serving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers with this code; nothing is done.
    Code(i16),
    /// Closes the connection; nothing is done.
    Reset,
    /// Does what was asked, then closes the connection instead of answering.
    ResetAfter,
    /// Never answers again on this connection.
    Silence,
    /// Does what was asked, then never answers again on this connection.
    SilenceAfter,
}

/// What all brokers share.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) up: BTreeSet<i32>,
    /// Nodes that listen where another one did, by the other one's id.
    pub(crate) moved: BTreeMap<i32, i32>,
    /// Leaders by topic.
    pub(crate) topics: BTreeMap<String, Vec<i32>>,
    pub(crate) coordinator: i32,
    /// Applied to the next requests of an API, in order.
    pub(crate) faults: VecDeque<(ApiKey, Fault)>,
    /// How many requests of an API were read.
    pub(crate) counts: BTreeMap<i16, usize>,
    /// How many connections were made.
    pub(crate) dial_count: usize,
    pub(crate) logs: BTreeMap<(String, i32), Log>,
    /// The most batches that one produce request carried, and all requests' counts of them.
    pub(crate) batches_per_request: Vec<usize>,
    /// The newest version that the brokers speak of an API, where it is not ours.
    pub(crate) versions_max: BTreeMap<i16, i16>,
    pub(crate) throttle_time_ms: i32,
    /// What the last metadata request asked about.
    pub(crate) asked_topics: Vec<String>,
    next_producer_id: i64,
}

/// One partition's log.
#[derive(Default)]
pub(crate) struct Log {
    /// The batches as received.
    pub(crate) batches: Vec<Bytes>,
    pub(crate) next_offset: i64,
    producer: Option<(i64, i16, i32)>,
    recent: VecDeque<(i64, i16, i32)>,
}

/// A handle to the world and the means to connect to it.
#[derive(Clone)]
pub(crate) struct FakeCluster {
    pub(crate) world: Rc<RefCell<World>>,
    dialer: Arc<FakeDialer>,
}

/// A node, the far end of a pipe to it, and where to say whether it takes it.
type Accepted = (i32, DuplexStream, oneshot::Sender<bool>);

struct FakeDialer {
    accepted: mpsc::UnboundedSender<Accepted>,
}

impl Dialer for FakeDialer {
    fn dial(&self, _host: &str, port: u16, _buffers: SocketBuffers) -> DialFuture {
        let (near, far) = duplex(1 << 16);
        let (reply, accepted) = oneshot::channel();
        let sent = self.accepted.send((i32::from(port) - i32::from(PORT), far, reply)).is_ok();
        Box::pin(async move {
            if sent && accepted.await.unwrap_or(false) {
                Ok(Box::new(near) as Box<dyn Stream>)
            } else {
                Err(io::Error::from(io::ErrorKind::ConnectionRefused))
            }
        })
    }
}

impl FakeCluster {
    /// Brokers 1 to `node_count`, all up. Has to be called within a `LocalSet`.
    pub(crate) fn start(node_count: i32) -> Self {
        let world = Rc::new(RefCell::new(World {
            up: (1..=node_count).collect(),
            coordinator: 1,
            next_producer_id: 1_000,
            ..World::default()
        }));
        let (accepted, mut incoming) = mpsc::unbounded_channel::<Accepted>();
        let served = Rc::clone(&world);
        tokio::task::spawn_local(async move {
            while let Some((node, stream, reply)) = incoming.recv().await {
                served.borrow_mut().dial_count += 1;
                let is_up = served.borrow().up.contains(&node);
                reply.send(is_up).ok();
                if is_up {
                    tokio::task::spawn_local(serve(Rc::clone(&served), node, stream));
                }
            }
        });
        Self { world, dialer: Arc::new(FakeDialer { accepted }) }
    }

    /// A client that bootstraps from all nodes, those that are down included.
    pub(crate) fn client(&self) -> Cluster {
        let nodes: Vec<i32> = self.world.borrow().up.iter().copied().collect();
        self.client_of(&nodes)
    }

    /// A client that bootstraps from `nodes`.
    pub(crate) fn client_of(&self, nodes: &[i32]) -> Cluster {
        self.client_with(nodes, |config| config)
    }

    /// The same with other settings.
    pub(crate) fn client_with(
        &self,
        nodes: &[i32],
        change: impl FnOnce(ClusterConfig) -> ClusterConfig,
    ) -> Cluster {
        let bootstrap =
            nodes.iter().map(|node| HostPort::new("node", PORT + u16::try_from(*node).unwrap())).collect();
        let env = Env::with_dialer(Arc::<FakeDialer>::clone(&self.dialer));
        Cluster::new(env, change(ClusterConfig::new(bootstrap)))
    }

    pub(crate) fn fail_next(&self, api: ApiKey, fault: Fault) {
        self.world.borrow_mut().faults.push_back((api, fault));
    }

    pub(crate) fn add_topic(&self, name: &str, leaders: &[i32]) {
        self.world.borrow_mut().topics.insert(name.to_owned(), leaders.to_vec());
    }

    pub(crate) fn count(&self, api: ApiKey) -> usize {
        self.world.borrow().counts.get(&(api as i16)).copied().unwrap_or(0)
    }
}

async fn serve(world: Rc<RefCell<World>>, node: i32, mut stream: DuplexStream) {
    while let Ok(length) = stream.read_i32().await {
        let mut body = BytesMut::zeroed(usize::try_from(length).unwrap());
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        if !world.borrow().up.contains(&node) {
            return;
        }
        let mut body = body.freeze();
        let head = frame::decode_request_header(&mut body).unwrap();
        let api = ApiKey::try_from(head.api_key).unwrap();
        let fault = {
            let mut world = world.borrow_mut();
            *world.counts.entry(head.api_key).or_default() += 1;
            match world.faults.front() {
                Some((wanted, fault)) if *wanted == api => {
                    let fault = *fault;
                    world.faults.pop_front();
                    Some(fault)
                }
                _ => None,
            }
        };
        let code = match fault {
            Some(Fault::Reset) => return,
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Code(code)) => code,
            Some(Fault::ResetAfter | Fault::SilenceAfter) | None => 0,
        };
        let (version, id) = (head.version, head.correlation_id);
        let answer = {
            let world = &mut *world.borrow_mut();
            match api {
                ApiKey::ApiVersions => answer::<ApiVersionsRequest>(world.versions(), version, id),
                ApiKey::Metadata => {
                    let request = frame::decode_request_body::<MetadataRequest>(&mut body, version).unwrap();
                    answer::<MetadataRequest>(world.metadata(&request, version), version, id)
                }
                ApiKey::InitProducerId => {
                    let request = frame::decode_request_body::<InitProducerIdRequest>(&mut body, version);
                    let request = request.unwrap();
                    // Kafka answers INVALID_REQUEST to an empty one, which is what the crate's default is.
                    assert_eq!(request.transactional_id, None);
                    world.next_producer_id += 1;
                    let response = InitProducerIdResponse::default()
                        .with_error_code(code)
                        .with_producer_id(ProducerId(world.next_producer_id))
                        .with_producer_epoch(0);
                    answer::<InitProducerIdRequest>(response, version, id)
                }
                ApiKey::FindCoordinator => {
                    let request = frame::decode_request_body::<FindCoordinatorRequest>(&mut body, version);
                    let response = world.find_coordinator(&request.unwrap(), version, code);
                    answer::<FindCoordinatorRequest>(response, version, id)
                }
                ApiKey::Heartbeat => {
                    let code = if world.coordinator == node { code } else { 16 };
                    let response = HeartbeatResponse::default()
                        .with_error_code(code)
                        .with_throttle_time_ms(world.throttle_time_ms);
                    answer::<HeartbeatRequest>(response, version, id)
                }
                ApiKey::Produce => {
                    let request = frame::decode_request_body::<ProduceRequest>(&mut body, version).unwrap();
                    let acks = request.acks;
                    let response = world.produce(node, request, code);
                    if acks == 0 {
                        continue;
                    }
                    answer::<ProduceRequest>(response, version, id)
                }
                other => panic!("the fake does not speak {other:?}"),
            }
        };
        if fault == Some(Fault::SilenceAfter) {
            std::future::pending::<()>().await;
        }
        if fault == Some(Fault::ResetAfter) || stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer<R: Request>(response: R::Response, version: i16, correlation_id: i32) -> Bytes {
    frame::encode_response::<R>(&response, version, correlation_id).unwrap()
}

impl World {
    fn versions(&self) -> ApiVersionsResponse {
        let keys = SUPPORTED.iter().map(|(key, range)| {
            ApiVersion::default()
                .with_api_key(*key as i16)
                .with_min_version(range.min)
                .with_max_version(self.versions_max.get(&(*key as i16)).copied().unwrap_or(range.max))
        });
        ApiVersionsResponse::default().with_api_keys(keys.collect())
    }

    fn metadata(&mut self, request: &MetadataRequest, version: i16) -> MetadataResponse {
        self.asked_topics =
            request.topics.iter().flatten().map(|asked| asked.name.as_deref().unwrap().to_string()).collect();
        let brokers = self.up.iter().map(|node| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(*node))
                .with_host(StrBytes::from_static_str("node"))
                .with_port(i32::from(PORT) + self.moved.get(node).unwrap_or(node))
        });
        let topics = request.topics.iter().flatten().map(|asked| {
            let name = asked.name.clone().unwrap();
            let mut topic = MetadataResponseTopic::default().with_name(Some(name.clone()));
            let Some(leaders) = self.topics.get(&**name) else { return topic.with_error_code(3) };
            if version >= 10 {
                topic = topic.with_topic_id(Uuid::from_u128(1));
            }
            topic.with_partitions(
                leaders
                    .iter()
                    .enumerate()
                    .map(|(index, leader)| {
                        let partition = MetadataResponsePartition::default()
                            .with_partition_index(index as i32)
                            .with_leader_id(BrokerId(*leader));
                        if version >= 7 { partition.with_leader_epoch(0) } else { partition }
                    })
                    .collect(),
            )
        });
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_controller_id(BrokerId(1))
            .with_cluster_id(Some(StrBytes::from_static_str("fake")))
            .with_topics(topics.collect())
    }

    fn find_coordinator(
        &self,
        request: &FindCoordinatorRequest,
        version: i16,
        code: i16,
    ) -> FindCoordinatorResponse {
        let node = BrokerId(self.coordinator);
        if version < 4 {
            return FindCoordinatorResponse::default().with_error_code(code).with_node_id(node);
        }
        let found = request
            .coordinator_keys
            .iter()
            .map(|key| Coordinator::default().with_key(key.clone()).with_error_code(code).with_node_id(node));
        FindCoordinatorResponse::default().with_coordinators(found.collect())
    }

    fn produce(&mut self, node: i32, request: ProduceRequest, code: i16) -> ProduceResponse {
        self.batches_per_request.push(request.topic_data.iter().map(|t| t.partition_data.len()).sum());
        let topics = request.topic_data.into_iter().map(|topic| {
            let partitions = topic.partition_data.into_iter().map(|data| {
                let leader = self
                    .topics
                    .get(&**topic.name)
                    .and_then(|leaders| leaders.get(data.index as usize).copied());
                let log = self.logs.entry((topic.name.to_string(), data.index)).or_default();
                let (code, base_offset) = match leader {
                    _ if code != 0 => (code, -1),
                    Some(leader) if leader == node => log.append(data.records.unwrap()),
                    Some(_) => (6, -1),
                    None => (3, -1),
                };
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_error_code(code)
                    .with_base_offset(base_offset)
            });
            let partitions = partitions.collect();
            TopicProduceResponse::default().with_name(topic.name).with_partition_responses(partitions)
        });
        ProduceResponse::default().with_responses(topics.collect())
    }
}

impl Log {
    /// Kafka's `ProducerAppendInfo`, in short.
    fn append(&mut self, batch: Bytes) -> (i16, i64) {
        let header = BatchHeader::parse(&batch).unwrap().unwrap();
        assert_eq!(header.total_bytes(), batch.len(), "a partition gets exactly one batch per request");
        if header.producer_id >= 0 {
            let key = (header.producer_id, header.producer_epoch, header.base_sequence);
            if self.recent.contains(&key) {
                return (46, -1);
            }
            let expected = match self.producer {
                None => key.2,
                Some((id, epoch, next)) if (id, epoch) == (key.0, key.1) => next,
                Some(_) => 0,
            };
            if key.2 != expected {
                return (45, -1);
            }
            self.producer = Some((key.0, key.1, key.2 + header.record_count));
            self.recent.push_back(key);
            if self.recent.len() > 5 {
                self.recent.pop_front();
            }
        }
        let base_offset = self.next_offset;
        self.next_offset += i64::from(header.record_count);
        self.batches.push(batch);
        (0, base_offset)
    }
}

/// Runs `test` in a `LocalSet` under a paused clock.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}
