//! Histories of clusters recorded from Java's assignors (`cargo xtask vectors`): what our leader reads and tells is theirs to the byte.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use engine::task::TaskId;
use protocol::client::group::{AssignmentRound, GroupMember, MemberIdentity};
use serde_json::Value;

use super::assignor::{ConfigSnapshots, Configured};
use super::leader::{Leader, Shared};
use super::protocol::{Assignment, ConnectProtocol, Subscription};
use super::unheard::Unheard;

const RECORDED: &str = include_str!("../../tests/vectors/group.jsonl");

/// The configuration that a leader finds when it looks again.
#[derive(Default)]
struct Fresh(Mutex<Arc<Configured>>);

impl ConfigSnapshots for Fresh {
    fn snapshot(&self) -> Arc<Configured> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

/// One recorded cluster: its names, and its workers as leaders.
struct History {
    delay_ms: u64,
    names: Vec<Arc<str>>,
    members: Vec<String>,
    fresh: Arc<Fresh>,
    leaders: HashMap<u64, (Leader, Arc<Shared>)>,
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

fn url(worker: u64) -> Arc<str> {
    format!("http://host-{worker}:8083/").into()
}

fn fnv(bytes: &[u8]) -> u64 {
    let hash =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619));
    hash.into()
}

impl History {
    fn new(line: &Value) -> History {
        let texts = |field: &str| {
            line[field].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned())
        };
        History {
            delay_ms: line["delay"].as_u64().unwrap(),
            names: texts("names").map(Arc::from).collect(),
            members: texts("members").collect(),
            fresh: Arc::default(),
            leaders: HashMap::new(),
        }
    }

    fn name(&self, index: u64) -> Arc<str> {
        Arc::clone(&self.names[index as usize])
    }

    fn connectors(&self, value: &Value) -> Vec<Arc<str>> {
        numbers(value).into_iter().map(|index| self.name(index)).collect()
    }

    fn tasks(&self, value: &Value) -> Vec<TaskId> {
        let pairs = numbers(value);
        pairs.chunks(2).map(|pair| TaskId { connector: self.name(pair[0]), task: pair[1] as u32 }).collect()
    }

    fn assignment(&self, value: &Value) -> Option<Assignment> {
        let fields = value.as_array()?;
        Some(Assignment {
            error: fields[0].as_i64().unwrap() as i16,
            leader: self.members[fields[1].as_u64().unwrap() as usize].as_str().into(),
            leader_url: url(fields[2].as_u64().unwrap()),
            config_offset: fields[3].as_i64().unwrap(),
            connectors: self.connectors(&fields[4]),
            tasks: self.tasks(&fields[5]),
            revoked_connectors: self.connectors(&fields[6]),
            revoked_tasks: self.tasks(&fields[7]),
            delay_ms: fields[8].as_i64().unwrap() as i32,
        })
    }

    fn play(&mut self, number: usize, round: &Value) {
        let place = |what: &str| format!("line {} of group.jsonl, {what}", number + 1);
        let protocol = [ConnectProtocol::Eager, ConnectProtocol::Compatible, ConnectProtocol::Sessioned]
            [round["protocol"].as_u64().unwrap() as usize];
        let pairs = numbers(&round["configured"]);
        let connectors = pairs.chunks(2).map(|pair| (self.name(pair[0]), pair[1] as u32)).collect();
        let at = |offset: &Value| Configured { offset: offset.as_i64().unwrap(), connectors };
        let current = Arc::new(at(&round["fresh"]));
        let mut joined =
            Configured { offset: round["joined"].as_i64().unwrap(), ..Configured::clone(&current) };
        // A leader that is behind joined with an empty configuration.
        if round["stale"] == true {
            joined.connectors.clear();
        }
        let leader_index = round["leader"].as_u64().unwrap();
        let mut members = Vec::new();
        let mut leader_worker = None;
        for member in round["in"].as_array().unwrap() {
            let index = member[0].as_u64().unwrap();
            let worker = member[1].as_u64().unwrap();
            let subscription = Subscription {
                url: url(worker),
                config_offset: member[2].as_i64().unwrap(),
                allocation: self.assignment(&member[4]),
            };
            let metadata = subscription.encode(protocol).unwrap();
            assert_eq!(fnv(&metadata), member[3].as_u64().unwrap(), "{}", place("what a member says"));
            let member_id = self.members[index as usize].clone();
            members.push(GroupMember { member_id, group_instance_id: None, metadata });
            if index == leader_index {
                leader_worker = Some(worker);
            }
        }
        let round_of = AssignmentRound {
            protocol: protocol.wire_name().to_owned(),
            leader: MemberIdentity {
                member_id: self.members[leader_index as usize].clone(),
                generation_id: round["gen"].as_i64().unwrap() as i32,
            },
            members,
        };
        let worker = leader_worker.unwrap();
        let (delay_ms, fresh) = (self.delay_ms, Arc::clone(&self.fresh));
        let (leader, shared) = self.leaders.entry(worker).or_insert_with(|| {
            let shared = Arc::new(Shared::default());
            (Leader::new(url(worker), delay_ms, Arc::clone(&shared), fresh), shared)
        });
        *self.fresh.0.lock().unwrap() = current;
        shared.lock().joined_with = Arc::new(joined);
        shared.lock().last_completed_generation = round["last"].as_i64().unwrap() as i32;
        // Java's leader keeps nothing of the kind.
        leader.unheard.replace(Unheard::default());
        let told = leader.compute(&round_of, round["at"].as_u64().unwrap()).unwrap();
        let told: HashMap<String, Bytes> = told.into_iter().collect();
        for expected in round["out"].as_array().unwrap() {
            let member_id = &self.members[expected[0].as_u64().unwrap() as usize];
            let bytes = &told[member_id];
            let read = Assignment::decode(bytes).unwrap();
            assert_eq!(read, self.assignment(&expected[2]).unwrap(), "{}", place(member_id));
            assert_eq!(fnv(bytes), expected[1].as_u64().unwrap(), "{}", place("bytes"));
        }
        assert_eq!(told.len(), round["out"].as_array().unwrap().len());
    }
}

#[test]
fn leads_as_java_does_in_recorded_histories() {
    let mut history = None;
    let mut states = 0;
    for (number, line) in RECORDED.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.get("names").is_some() {
            history = Some(History::new(&line));
        } else {
            history.as_mut().unwrap().play(number, &line);
            states += 1;
        }
    }
    assert!(states >= 2_000, "{states}");
}

#[test]
fn a_member_that_cannot_be_read_gets_nothing_and_stops_nobody() {
    let snapshots = Arc::new(Fresh::default());
    let configured = Configured { offset: 1, connectors: [("c".into(), 2)].into() };
    *snapshots.0.lock().unwrap() = Arc::new(configured.clone());
    let shared = Arc::new(Shared::default());
    shared.lock().joined_with = Arc::new(configured);
    let leader = Leader::new(url(0), 0, Arc::clone(&shared), snapshots);
    let subscription = Subscription { url: url(0), config_offset: 1, allocation: None };
    let member = |id: &str, metadata| GroupMember { member_id: id.into(), group_instance_id: None, metadata };
    let round = AssignmentRound {
        protocol: "sessioned".into(),
        leader: MemberIdentity { member_id: "a".into(), generation_id: 1 },
        members: vec![
            member("a", subscription.encode(ConnectProtocol::Sessioned).unwrap()),
            member("b", Bytes::from_static(b"\xff")),
        ],
    };
    let told: HashMap<_, _> = leader.compute(&round, 1).unwrap().into_iter().collect();
    let of = |id: &str| Assignment::decode(&told[id]).unwrap();
    assert_eq!((of("a").connectors.len(), of("a").tasks.len()), (1, 2));
    assert!(of("b").connectors.is_empty() && of("b").tasks.is_empty() && !of("b").is_failed());
    let owners = shared.lock().owners.clone().unwrap().1;
    assert_eq!(owners.connector("c"), Some(&url(0)));
    assert_eq!(owners.task(&TaskId { connector: "c".into(), task: 1 }), Some(&url(0)));
    assert_eq!(owners.connector("d"), None);
    let round = AssignmentRound { protocol: "range".into(), ..round };
    assert!(leader.compute(&round, 1).unwrap_err().to_string().contains("assign connectors and tasks"));
}
