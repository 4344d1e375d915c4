//! The bytes of the `connect` protocol type: what members say when they join, and what the leader tells them.
//!
//! Versions 0, 1 and 2 of Java's `ConnectProtocol` and `IncrementalCooperativeConnectProtocol`. Both are read with the schema of version
//! 1, whatever version they name, and with defaults for what is missing at the end, as Java does.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use engine::task::TaskId;
use indexmap::IndexMap;

use super::assignor::in_hash_set_order;

/// The leader gave everybody nothing, because it does not know the configuration that others know (`Assignment#CONFIG_MISMATCH`).
pub const CONFIG_MISMATCH: i16 = 1;

/// The task number that stands for the connector itself.
const CONNECTOR_TASK: i32 = -1;

/// `connect.protocol`, and what a group has agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectProtocol {
    /// Everybody gives everything up at each rebalance.
    Eager,
    /// KIP-415: only what moves is given up.
    Compatible,
    /// KIP-507: as compatible, and internal requests are signed.
    Sessioned,
}

impl ConnectProtocol {
    /// Its name in `JoinGroup`.
    pub fn wire_name(self) -> &'static str {
        match self {
            ConnectProtocol::Eager => "default",
            ConnectProtocol::Compatible => "compatible",
            ConnectProtocol::Sessioned => "sessioned",
        }
    }

    /// What a coordinator chose.
    pub fn from_wire_name(name: &str) -> Option<ConnectProtocol> {
        [ConnectProtocol::Eager, ConnectProtocol::Compatible, ConnectProtocol::Sessioned]
            .into_iter()
            .find(|protocol| protocol.wire_name() == name)
    }

    /// What a worker so configured can follow, in order of preference.
    pub fn supported(self) -> impl Iterator<Item = ConnectProtocol> {
        [ConnectProtocol::Sessioned, ConnectProtocol::Compatible, ConnectProtocol::Eager]
            .into_iter()
            .filter(move |protocol| *protocol <= self)
    }

    /// Java's name of it, as metrics and logs show it.
    pub fn java_name(self) -> &'static str {
        match self {
            ConnectProtocol::Eager => "EAGER",
            ConnectProtocol::Compatible => "COMPATIBLE",
            ConnectProtocol::Sessioned => "SESSIONED",
        }
    }

    fn version(self) -> i16 {
        match self {
            ConnectProtocol::Eager => 0,
            ConnectProtocol::Compatible => 1,
            ConnectProtocol::Sessioned => 2,
        }
    }
}

impl FromStr for ConnectProtocol {
    type Err = String;

    /// A value of `connect.protocol`, in any case.
    fn from_str(value: &str) -> Result<ConnectProtocol, String> {
        match value.to_ascii_lowercase().as_str() {
            "eager" => Ok(ConnectProtocol::Eager),
            "compatible" => Ok(ConnectProtocol::Compatible),
            "sessioned" => Ok(ConnectProtocol::Sessioned),
            _ => Err(format!("{value} is none of eager, compatible, sessioned")),
        }
    }
}

/// Why bytes are no subscription or assignment, or why one cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The input ends within a field.
    #[error("ends within {0}")]
    Truncated(&'static str),
    /// A number that can't be.
    #[error("{field} is {value}, which cannot be")]
    Impossible {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// Text that is no UTF-8.
    #[error("{0} is not UTF-8")]
    NotText(&'static str),
    /// More than the format has room for.
    #[error("{field} takes {length} bytes, more than 32767")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}

/// What a member says of itself when it joins (`ExtendedWorkerState`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Where its REST is, with a trailing slash.
    pub url: Arc<str>,
    /// How much of the config topic it has read.
    pub config_offset: i64,
    /// What it claims to have.
    pub allocation: Option<Assignment>,
}

/// What a leader gives a member, and what a member says that it has (`ExtendedAssignment`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// 0, or [`CONFIG_MISMATCH`].
    pub error: i16,
    /// The leader's member id.
    pub leader: Arc<str>,
    /// Where the leader's REST is.
    pub leader_url: Arc<str>,
    /// The config offset that it was made with.
    pub config_offset: i64,
    /// Connectors, in the order of the bytes.
    pub connectors: Vec<Arc<str>>,
    /// Tasks, in the order of the bytes.
    pub tasks: Vec<TaskId>,
    /// Connectors to give up.
    pub revoked_connectors: Vec<Arc<str>>,
    /// Tasks to give up.
    pub revoked_tasks: Vec<TaskId>,
    /// After how many ms everybody is to join again; 0 for never.
    pub delay_ms: i32,
}

impl Assignment {
    /// Whether the leader could not assign.
    pub fn is_failed(&self) -> bool {
        self.error != 0
    }

    /// Whether anything is to be given up.
    pub fn revokes(&self) -> bool {
        !self.revoked_connectors.is_empty() || !self.revoked_tasks.is_empty()
    }

    /// The bytes under `protocol`.
    ///
    /// # Errors
    /// A name is too long.
    pub fn encode(&self, protocol: ConnectProtocol) -> Result<Bytes, ProtocolError> {
        let mut out = BytesMut::new();
        out.put_i16(protocol.version());
        out.put_i16(self.error);
        put_string(&mut out, "leader", &self.leader)?;
        put_string(&mut out, "leader-url", &self.leader_url)?;
        out.put_i64(self.config_offset);
        // `Assignment#asMap` goes through a HashSet of the connectors, `revokedAsMap` does not.
        let connectors = in_hash_set_order(self.connectors.iter().cloned());
        put_work(&mut out, connectors.iter(), &self.tasks)?;
        if protocol != ConnectProtocol::Eager {
            let mut seen = HashSet::new();
            let revoked = self.revoked_connectors.iter().filter(|connector| seen.insert(*connector));
            put_work(&mut out, revoked, &self.revoked_tasks)?;
            out.put_i32(self.delay_ms);
        }
        Ok(out.freeze())
    }

    /// Reads any version.
    ///
    /// # Errors
    /// The bytes are no assignment.
    pub fn decode(bytes: &[u8]) -> Result<Assignment, ProtocolError> {
        let mut input = Input(bytes);
        input.version()?;
        let error = input.i16("error")?;
        let leader = input.string("leader")?;
        let leader_url = input.string("leader-url")?;
        let config_offset = input.i64("config-offset")?;
        let (connectors, tasks) = input.work("assignment")?;
        let (revoked_connectors, revoked_tasks) = input.work("revoked")?;
        let delay_ms = if input.0.is_empty() { 0 } else { input.i32("delay")? };
        Ok(Assignment {
            error,
            leader,
            leader_url,
            config_offset,
            connectors,
            tasks,
            revoked_connectors,
            revoked_tasks,
            delay_ms,
        })
    }
}

impl Subscription {
    /// The bytes under `protocol`.
    ///
    /// # Errors
    /// A name is too long.
    pub fn encode(&self, protocol: ConnectProtocol) -> Result<Bytes, ProtocolError> {
        let mut out = BytesMut::new();
        out.put_i16(protocol.version());
        put_string(&mut out, "url", &self.url)?;
        out.put_i64(self.config_offset);
        if protocol != ConnectProtocol::Eager {
            match &self.allocation {
                Some(allocation) => {
                    let bytes = allocation.encode(protocol)?;
                    out.put_i32(i32::try_from(bytes.len()).expect("a join of 2 GB is refused long before"));
                    out.put_slice(&bytes);
                }
                None => out.put_i32(-1),
            }
        }
        Ok(out.freeze())
    }

    /// Reads any version.
    ///
    /// # Errors
    /// The bytes are no subscription.
    pub fn decode(bytes: &[u8]) -> Result<Subscription, ProtocolError> {
        let mut input = Input(bytes);
        input.version()?;
        let url = input.string("url")?;
        let config_offset = input.i64("config-offset")?;
        let length = if input.0.is_empty() { -1 } else { input.i32("allocation")? };
        let allocation = match usize::try_from(length) {
            Ok(length) => Some(Assignment::decode(input.take("allocation", length)?)?),
            Err(_) => None,
        };
        Ok(Subscription { url, config_offset, allocation })
    }
}

fn put_string(out: &mut BytesMut, field: &'static str, text: &str) -> Result<(), ProtocolError> {
    let length = i16::try_from(text.len())
        .map_err(|_too_long| ProtocolError::TooLong { field, length: text.len() })?;
    out.put_i16(length);
    out.put_slice(text.as_bytes());
    Ok(())
}

/// Connectors and tasks, grouped by connector in the order in which these first appear.
fn put_work<'a>(
    out: &mut BytesMut,
    connectors: impl Iterator<Item = &'a Arc<str>>,
    tasks: &'a [TaskId],
) -> Result<(), ProtocolError> {
    let mut grouped: IndexMap<&str, Vec<i32>> = IndexMap::new();
    for connector in connectors {
        grouped.entry(connector).or_default().push(CONNECTOR_TASK);
    }
    for task in tasks {
        grouped.entry(&task.connector).or_default().push(task.task as i32);
    }
    out.put_i32(grouped.len() as i32);
    for (connector, tasks) in grouped {
        put_string(out, "connector", connector)?;
        out.put_i32(tasks.len() as i32);
        for task in tasks {
            out.put_i32(task);
        }
    }
    Ok(())
}

/// Bytes that are still to be read. Nothing is allocated that they do not hold.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], ProtocolError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ProtocolError::Truncated(field))?;
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self, field: &'static str) -> Result<i16, ProtocolError> {
        self.take(field, 2).map(|mut bytes| bytes.get_i16())
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, ProtocolError> {
        self.take(field, 4).map(|mut bytes| bytes.get_i32())
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, ProtocolError> {
        self.take(field, 8).map(|mut bytes| bytes.get_i64())
    }

    /// Any version that there may ever be is read as the highest known.
    fn version(&mut self) -> Result<(), ProtocolError> {
        match self.i16("version")? {
            version if version < 0 => {
                Err(ProtocolError::Impossible { field: "version", value: version.into() })
            }
            _ => Ok(()),
        }
    }

    fn string(&mut self, field: &'static str) -> Result<Arc<str>, ProtocolError> {
        let length = self.i16(field)?;
        let length = usize::try_from(length)
            .map_err(|_negative| ProtocolError::Impossible { field, value: length.into() })?;
        let text = std::str::from_utf8(self.take(field, length)?);
        text.map(Arc::from).map_err(|_invalid| ProtocolError::NotText(field))
    }

    /// A nullable array at whose place the bytes may also end.
    fn work(&mut self, field: &'static str) -> Result<(Vec<Arc<str>>, Vec<TaskId>), ProtocolError> {
        let (mut connectors, mut tasks) = (Vec::new(), Vec::new());
        let count = if self.0.is_empty() { -1 } else { self.i32(field)? };
        for _ in 0..count {
            let connector = self.string("connector")?;
            let task_count = self.i32("tasks")?;
            if task_count < 0 {
                return Err(ProtocolError::Impossible { field: "tasks", value: task_count.into() });
            }
            for _ in 0..task_count {
                match self.i32("task")? {
                    CONNECTOR_TASK => connectors.push(Arc::clone(&connector)),
                    task => {
                        let task = u32::try_from(task).map_err(|_negative| ProtocolError::Impossible {
                            field: "task",
                            value: task.into(),
                        })?;
                        tasks.push(TaskId { connector: Arc::clone(&connector), task });
                    }
                }
            }
        }
        Ok((connectors, tasks))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    const URL: &str = "000e 687474703a2f2f683a383038332f 0000000000000005";
    const WORK: &str = "00000001 0001 73 00000002 ffffffff 00000000";

    fn assignment() -> Assignment {
        Assignment {
            leader: "m-1".into(),
            leader_url: "http://h:8083/".into(),
            config_offset: 5,
            connectors: vec!["s".into()],
            tasks: vec![TaskId { connector: "s".into(), task: 0 }],
            ..Assignment::default()
        }
    }

    fn subscription(allocation: Option<Assignment>) -> Subscription {
        Subscription { url: "http://h:8083/".into(), config_offset: 5, allocation }
    }

    /// Contract A.1.
    #[test]
    fn writes_java_s_bytes() {
        let bytes = |text: &str| hex(text);
        let v0 = format!("0000 0000 0003 6d2d31 {URL} {WORK}");
        assert_eq!(*assignment().encode(ConnectProtocol::Eager).unwrap(), bytes(&v0));
        for (protocol, version) in
            [(ConnectProtocol::Compatible, "0001"), (ConnectProtocol::Sessioned, "0002")]
        {
            let full = format!("{version} 0000 0003 6d2d31 {URL} {WORK} 00000000 00000000");
            assert_eq!(hex(&full).len(), 60);
            assert_eq!(*assignment().encode(protocol).unwrap(), bytes(&full));
            let joined = format!("{version} {URL} 0000003c {full}");
            assert_eq!(*subscription(Some(assignment())).encode(protocol).unwrap(), bytes(&joined));
            let fresh = format!("{version} {URL} ffffffff");
            assert_eq!(*subscription(None).encode(protocol).unwrap(), bytes(&fresh));
        }
        let v0 = format!("0000 {URL}");
        assert_eq!(*subscription(Some(assignment())).encode(ConnectProtocol::Eager).unwrap(), bytes(&v0));
    }

    #[test]
    fn fills_in_what_is_missing_at_the_end() {
        let eager = assignment().encode(ConnectProtocol::Eager).unwrap();
        assert_eq!(Assignment::decode(&eager).unwrap(), assignment());
        let bare = hex(&format!("0001 0001 0003 6d2d31 {URL}"));
        let read = Assignment::decode(&bare).unwrap();
        assert!(read.is_failed() && read.connectors.is_empty() && !read.revokes());
        let nulls = [bare, hex("ffffffff ffffffff 00000007")].concat();
        assert_eq!(Assignment::decode(&nulls).unwrap().delay_ms, 7);
        assert_eq!(Subscription::decode(&hex(&format!("0000 {URL}"))).unwrap(), subscription(None));
        assert_eq!(
            Subscription::decode(&hex(&format!("0009 {URL} ffffffff 01"))).unwrap(),
            subscription(None)
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |bytes: &str, expected: &str| {
            assert_eq!(Assignment::decode(&hex(bytes)).unwrap_err().to_string(), expected);
        };
        check("", "ends within version");
        check("ffff", "version is -1, which cannot be");
        check("0001 0000 ffff", "leader is -1, which cannot be");
        check("0001 0000 7fff 61", "ends within leader");
        check("0001 0000 0001 ff", "leader is not UTF-8");
        check(&format!("0001 0000 0000 {URL} 7fffffff"), "ends within connector");
        check(&format!("0001 0000 0000 {URL} 00000001 0000 7fffffff"), "ends within task");
        check(
            &format!("0001 0000 0000 {URL} 00000001 0000 00000001 fffffffe"),
            "task is -2, which cannot be",
        );
        let long = subscription(None);
        let long = Subscription { url: "u".repeat(32_768).into(), ..long };
        let expected = "url takes 32768 bytes, more than 32767";
        assert_eq!(long.encode(ConnectProtocol::Sessioned).unwrap_err().to_string(), expected);
    }

    fn work() -> impl Strategy<Value = (Vec<Arc<str>>, Vec<TaskId>)> {
        let connectors = prop::collection::btree_set("[a-z]{1,3}", 0..30);
        let tasks = prop::collection::btree_set(("[a-z]{1,3}", 0..9_u32), 0..30);
        (connectors, tasks).prop_map(|(connectors, tasks)| {
            let tasks =
                tasks.into_iter().map(|(connector, task)| TaskId { connector: connector.into(), task });
            (connectors.into_iter().map(Arc::from).collect(), tasks.collect())
        })
    }

    fn sorted(mut assignment: Assignment) -> Assignment {
        for list in [&mut assignment.connectors, &mut assignment.revoked_connectors] {
            list.sort();
        }
        for list in [&mut assignment.tasks, &mut assignment.revoked_tasks] {
            list.sort();
        }
        assignment
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            assigned in work(),
            revoked in work(),
            config_offset: i64,
            delay_ms: i32,
            error: i16,
            claims: bool,
        ) {
            let written = Assignment {
                error, config_offset, delay_ms,
                connectors: assigned.0, tasks: assigned.1,
                revoked_connectors: revoked.0, revoked_tasks: revoked.1,
                ..assignment()
            };
            let read = Assignment::decode(&written.encode(ConnectProtocol::Sessioned).unwrap()).unwrap();
            prop_assert_eq!(sorted(read.clone()), sorted(written));
            // The order of the bytes is the order of the lists: written again they are the same bytes.
            let bytes = read.encode(ConnectProtocol::Compatible).unwrap();
            prop_assert_eq!(Assignment::decode(&bytes).unwrap().encode(ConnectProtocol::Compatible).unwrap(), bytes);
            let joined = subscription(claims.then_some(read));
            let bytes = joined.encode(ConnectProtocol::Sessioned).unwrap();
            prop_assert_eq!(Subscription::decode(&bytes).unwrap(), joined);
        }

        #[test]
        fn garbage_is_an_error_and_not_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            drop(Assignment::decode(&bytes));
            drop(Subscription::decode(&bytes));
        }

        #[test]
        fn whatever_is_cut_or_changed_is_no_panic(at in 0..60_usize, byte: u8) {
            let mut bytes = assignment().encode(ConnectProtocol::Sessioned).unwrap().to_vec();
            drop(Assignment::decode(&bytes[..at]));
            bytes[at] = byte;
            drop(Assignment::decode(&bytes));
        }
    }
}
