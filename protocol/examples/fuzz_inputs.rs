//! Writes the inputs that the fuzz targets begin with, to `protocol/fuzz/corpus`: one message of each API, conversations with
//! the broker, members of a group, logins. What is there already and not made here (stores, record sets) is left alone.

#![expect(clippy::unwrap_used, reason = "a program for our own files ends where it cannot go on")]

#[path = "../tests/hostile_memory/scribe.rs"]
#[expect(dead_code, reason = "the test of hostile messages writes more kinds of them")]
mod scribe;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use protocol::client::TopicPartition;
use protocol::client::group::assignor::Assignor;
use protocol::client::group::{Assignment, Subscription};
use protocol::for_every_request;
use protocol::net::sasl::oauthbearer::UnsecuredToken;
use protocol::wire::messages::*;
use protocol::wire::records::{BatchBuilder, BufferPool, Codec, Compressor, ProducerStamp};
use protocol::wire::versions::supported;

fn main() {
    let mut number = 0;
    macro_rules! messages {
        ($($request:ident)*) => { $( message::<$request>(number, stringify!($request)); number += 1; )* };
    }
    for_every_request!(messages);
    conversations();
    members();
    logins();
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// A request and a response of the highest version, and the request as the broker gets it, in a version that it serves.
fn message<R: Request>(number: u8, name: &str) {
    let name = name.trim_end_matches("Request").to_lowercase();
    let highest = R::VERSIONS.max;
    let version = (highest - R::VERSIONS.min) as u8;
    let request = scribe::write_full::<R>(highest, 1).bytes;
    write("frame", &format!("{name}_request"), &[&[number, version], &request[..]].concat());
    let header: &[u8] =
        if R::Response::header_version(highest) == 0 { &[0, 0, 0, 1] } else { &[0, 0, 0, 1, 0] };
    let response = scribe::write_full::<R::Response>(highest, 1).bytes;
    write("frame", &format!("{name}_response"), &[&[number, version], header, &response[..]].concat());
    let served = supported(R::KEY).map_or(R::VERSIONS.min, |range| range.max);
    let body = scribe::write_full::<R>(served, 1).bytes;
    write("broker", &name, &[&[0][..], &step_of::<R>(served, &body)].concat());
}

/// One request in a conversation: which API, which version, how long.
fn step_of<R: Request>(version: i16, body: &[u8]) -> Vec<u8> {
    macro_rules! keys {
        ($($request:ident)*) => { [$($request::KEY),*] };
    }
    let keys = for_every_request!(keys);
    let number = keys.iter().position(|key| *key == R::KEY).unwrap() as u8;
    [&[number, (version - R::VERSIONS.min) as u8, body.len() as u8], body].concat()
}

fn step<R: Request>(version: i16, request: &R) -> Vec<u8> {
    let mut body = Vec::new();
    request.encode(&mut body, version).unwrap();
    assert!(body.len() < 256, "the length has one byte");
    step_of::<R>(version, &body)
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn conversations() {
    write("broker", "raw", &[&[1][..], &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]].concat());

    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    builder.append(1_000, Some(b"key"), Some(b"value"), &[]).unwrap();
    let records =
        builder.finish(ProducerStamp::NONE, &mut Compressor::new(Codec::None, None, pool).unwrap()).unwrap();
    let data = produce_request::PartitionProduceData::default().with_records(Some(records));
    let data = produce_request::TopicProduceData::default()
        .with_name(text("t").into())
        .with_partition_data(vec![data]);
    let produce = ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![data]);
    let wanted = fetch_request::FetchPartition::default()
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(1_000);
    let wanted =
        fetch_request::FetchTopic::default().with_topic(text("t").into()).with_partitions(vec![wanted]);
    let fetch = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(10_000)
        .with_topics(vec![wanted]);
    let again = fetch.clone().with_session_id(1).with_session_epoch(1).with_topics(Vec::new());
    let produced = [step(9, &produce), step(9, &produce), step(12, &fetch), step(12, &again)].concat();
    write("broker", "produce_and_fetch", &[&[0][..], &produced].concat());

    let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(text("g").into())
        .with_session_timeout_ms(6_000)
        .with_rebalance_timeout_ms(6_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let sync = SyncGroupRequest::default().with_group_id(text("g").into()).with_generation_id(1);
    let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(text("t").into())
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default().with_group_id(text("g").into()).with_topics(vec![topic]);
    let heartbeat = HeartbeatRequest::default().with_group_id(text("g").into()).with_generation_id(1);
    // Before version 4 the first join gives the member id, here unknown, and makes the group.
    let joined = [step(2, &join), step(3, &sync), step(3, &heartbeat), step(8, &commit)].concat();
    write("broker", "join_and_commit", &[&[0][..], &joined].concat());

    let id = || TransactionalId(text("x"));
    let init =
        InitProducerIdRequest::default().with_transactional_id(Some(id())).with_transaction_timeout_ms(1_000);
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(text("t").into())
        .with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_topics(vec![topic]);
    let end = EndTxnRequest::default().with_transactional_id(id()).with_committed(true);
    let transaction = [step(4, &init), step(3, &add), step(3, &end), step(12, &fetch)].concat();
    write("broker", "transaction", &[&[0][..], &transaction].concat());
}

fn members() {
    let partitions = vec![TopicPartition::new("a", 0), TopicPartition::new("t", 2)];
    let subscription = Subscription {
        owned: partitions.clone(),
        generation_id: 3,
        rack_id: Some("r".to_owned()),
        user_data: Some(Bytes::from_static(&[0, 0, 0, 3])),
        ..Subscription::new(["a", "t"].map(Arc::from))
    };
    let one = subscription.encode().unwrap();
    let two = Subscription::new([Arc::from("a")]).encode().unwrap();
    let both = [&one[..], b"\xfe\xfe", &two].concat();
    for (assignor, name) in ["range", "roundrobin", "sticky", "cooperative-sticky"].iter().enumerate() {
        write("group", name, &[&[assignor as u8], &both[..]].concat());
    }
    let had = Assignor::Sticky.user_data(&partitions, 2).unwrap();
    write("group", "sticky_user_data", &[&[0x82], &had[..], b"\xfe\xfe", &had].concat());
    let assignment = Assignment { partitions, user_data: None }.encode().unwrap();
    write("group", "assignment", &[&[0], &assignment[..]].concat());
}

fn logins() {
    let module = |name: &str| format!("org.apache.kafka.common.security.{name} required");
    let token = UnsecuredToken { claims: vec![("sub".to_owned(), "user".to_owned())], lifetime_s: 60 }
        .encode(1_700_000_000_000);
    let bearer = format!("n,,\x01auth=Bearer {token}\x01\x01\n\x01");
    let client_first = "n,,n=user,r=nonce";
    let client_final = "c=biws,r=nonce1,p=AAAA";
    let server_first = "r=nonce1,s=c2FsdA==,i=4096";
    // The low bits choose what reads it, the high ones the mechanism in the order of `Mechanism::ALL`.
    let inputs: &[(&str, u8, String)] = &[
        (
            "jaas_plain",
            0x00,
            format!("{} username=\"user\" password=canary;", module("plain.PlainLoginModule")),
        ),
        (
            "jaas_scram",
            0x10,
            format!("{} username='u' password=\"\\\"canary\";", module("scram.ScramLoginModule")),
        ),
        (
            "jaas_bearer",
            0x30,
            format!(
                "{} unsecuredLoginStringClaim_sub=user extension_a=b;",
                module("oauthbearer.OAuthBearerLoginModule")
            ),
        ),
        ("plain", 0x01, "\0user\0password".to_owned()),
        ("bearer", 0x01, bearer.clone()),
        ("scram_client_first", 0x01, client_first.to_owned()),
        ("scram_client_final", 0x01, client_final.to_owned()),
        ("scram_server_first", 0x01, server_first.to_owned()),
        ("scram_sha_256_server", 0x02, format!("{server_first}\nv=AAAA")),
        ("scram_sha_512_server", 0x12, format!("{server_first}\ne=other-error")),
        ("exchange_plain", 0x03, "\0user\0password".to_owned()),
        ("exchange_scram", 0x13, format!("{client_first}\n{client_final}")),
        ("exchange_bearer", 0x33, bearer),
    ];
    for (name, choice, message) in inputs {
        write("auth", name, &[&[*choice], message.as_bytes()].concat());
    }
}
