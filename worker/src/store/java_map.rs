//! A `java.util.HashMap<byte[], byte[]>` as Java's object serialisation writes it: the format of the standalone offsets file.
//!
//! ```text
//! aced 0005                                              stream header
//! 73 72 "java.util.HashMap" suid 03 F loadFactor I threshold 78 70     object, its class descriptor (handle 0)
//! 3f400000 threshold                                     fields
//! 77 08 buckets entries                                  block data
//! ( 75 <"[B" descriptor, later 71 + its handle> length bytes | 70 ) × 2 per entry
//! 78                                                     end
//! ```
//!
//! The reader takes any bucket count, threshold and load factor, null keys and values (left out) and back-references to
//! arrays; anything else is a typed error. It allocates nothing that the input does not hold.

use bytes::Bytes;
use indexmap::IndexMap;

/// Offsets by key, both as Java's internal converter writes them.
pub type Entries = IndexMap<Bytes, Bytes>;

/// Why bytes are no serialised map. Positions are in bytes from the start of the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JavaMapError {
    /// The input ends within an element.
    #[error("ends at byte {position}, within {element}")]
    Truncated {
        /// Where.
        position: usize,
        /// Within what.
        element: &'static str,
    },
    /// Something other than what must stand there.
    #[error("byte {position} is not {expected}")]
    Unexpected {
        /// Where.
        position: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// A number that can't be.
    #[error("{element} at byte {position} is {value}, which cannot be")]
    Impossible {
        /// Where.
        position: usize,
        /// Which number.
        element: &'static str,
        /// The number.
        value: i64,
    },
}

const STREAM_HEADER: [u8; 4] = [0xac, 0xed, 0x00, 0x05];
const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_ARRAY: u8 = 0x75;
const TC_END_BLOCK_DATA: u8 = 0x78;
const BASE_HANDLE: u32 = 0x7e_0000;

/// `TC_OBJECT` and the class descriptor of `HashMap` (handle 0): name, serial version, flags, the two fields, no superclass.
const HASH_MAP: &[u8] = b"\x73\x72\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02\
    F\x00\x0aloadFactorI\x00\x09thresholdxp";
/// The class descriptor of `byte[]` (handle 2, after the map itself).
const BYTE_ARRAY: &[u8] = b"\x72\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00xp";
const BYTE_ARRAY_HANDLE: u32 = BASE_HANDLE + 2;
const FIRST_ARRAY_HANDLE: u32 = BASE_HANDLE + 3;
/// `TC_BLOCKDATA` of eight bytes.
const BLOCK_DATA: [u8; 2] = [0x77, 0x08];

const LOAD_FACTOR: [u8; 4] = 0.75_f32.to_be_bytes();
const BUCKETS_MIN: u64 = 16;

/// Writes a map byte for byte as Java would write one filled in this order.
pub fn write(entries: &Entries) -> Vec<u8> {
    // Java doubles the table whenever it holds more than three quarters of its size; an empty one has no table yet.
    let mut buckets = BUCKETS_MIN;
    while entries.len() as u64 > buckets * 3 / 4 {
        buckets *= 2;
    }
    let threshold = if entries.is_empty() { 0 } else { buckets * 3 / 4 };
    let mut out = Vec::new();
    out.extend_from_slice(&STREAM_HEADER);
    out.extend_from_slice(HASH_MAP);
    out.extend_from_slice(&LOAD_FACTOR);
    push_int(&mut out, threshold);
    out.extend_from_slice(&BLOCK_DATA);
    push_int(&mut out, buckets);
    push_int(&mut out, entries.len() as u64);
    let mut is_first = true;
    for bytes in entries.iter().flat_map(|(key, value)| [key, value]) {
        out.push(TC_ARRAY);
        if is_first {
            out.extend_from_slice(BYTE_ARRAY);
            is_first = false;
        } else {
            out.push(TC_REFERENCE);
            out.extend_from_slice(&BYTE_ARRAY_HANDLE.to_be_bytes());
        }
        push_int(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
    out.push(TC_END_BLOCK_DATA);
    out
}

/// Reads a map that Java or [`write()`] wrote. No bytes at all is an empty map, as it is to Java.
///
/// # Errors
/// When it is anything else.
pub fn read(bytes: &Bytes) -> Result<Entries, JavaMapError> {
    let mut entries = Entries::new();
    if bytes.is_empty() {
        return Ok(entries);
    }
    let mut input = Input { bytes, at: 0, arrays: Vec::new() };
    input.expect(&STREAM_HEADER, "the header of a Java object stream")?;
    input.expect(HASH_MAP, "a java.util.HashMap")?;
    input.take(8, "the map's fields")?;
    input.expect(&BLOCK_DATA, "the map's table size")?;
    input.take(4, "the map's table size")?;
    let position = input.at;
    let count = input.int("the map's entry count")?;
    if count < 0 {
        return Err(JavaMapError::Impossible {
            position,
            element: "the map's entry count",
            value: count.into(),
        });
    }
    for _ in 0..count {
        let key = input.array()?;
        let value = input.array()?;
        if let (Some(key), Some(value)) = (key, value) {
            entries.insert(key, value);
        }
    }
    input.expect(&[TC_END_BLOCK_DATA], "the end of the map")?;
    Ok(entries)
}

fn push_int(out: &mut Vec<u8>, value: u64) {
    let value = i32::try_from(value).expect("offset files stay far below 2 GB");
    out.extend_from_slice(&value.to_be_bytes());
}

struct Input<'a> {
    bytes: &'a Bytes,
    at: usize,
    /// Arrays by handle, from [`FIRST_ARRAY_HANDLE`] on.
    arrays: Vec<Bytes>,
}

impl Input<'_> {
    fn take(&mut self, len: usize, element: &'static str) -> Result<Bytes, JavaMapError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(JavaMapError::Truncated { position: self.bytes.len(), element })?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn expect(&mut self, wanted: &[u8], expected: &'static str) -> Result<(), JavaMapError> {
        let position = self.at;
        if self.take(wanted.len(), expected)? == wanted {
            Ok(())
        } else {
            Err(JavaMapError::Unexpected { position, expected })
        }
    }

    fn int(&mut self, element: &'static str) -> Result<i32, JavaMapError> {
        let bytes = self.take(4, element)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A `byte[]`, a reference to an earlier one, or null.
    fn array(&mut self) -> Result<Option<Bytes>, JavaMapError> {
        const EXPECTED: &str = "a byte array or null";
        let position = self.at;
        match self.take(1, EXPECTED)?[0] {
            TC_NULL => Ok(None),
            TC_REFERENCE => {
                let handle = self.int(EXPECTED)? as u32;
                let index = handle.checked_sub(FIRST_ARRAY_HANDLE).map(|index| index as usize);
                let array = index.and_then(|index| self.arrays.get(index)).cloned();
                array.map(Some).ok_or(JavaMapError::Unexpected { position, expected: EXPECTED })
            }
            TC_ARRAY => {
                if self.arrays.is_empty() {
                    self.expect(BYTE_ARRAY, "the class descriptor of byte[]")?;
                } else {
                    let mut reference = [TC_REFERENCE; 5];
                    reference[1..].copy_from_slice(&BYTE_ARRAY_HANDLE.to_be_bytes());
                    self.expect(&reference, "a reference to the class descriptor of byte[]")?;
                }
                let position = self.at;
                let length = self.int("the length of a byte array")?;
                let length = usize::try_from(length).map_err(|_negative| JavaMapError::Impossible {
                    position,
                    element: "the length of a byte array",
                    value: length.into(),
                })?;
                let array = self.take(length, "a byte array")?;
                self.arrays.push(array.clone());
                Ok(Some(array))
            }
            _ => Err(JavaMapError::Unexpected { position, expected: EXPECTED }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Contract A.6: one entry, written by Java.
    const ONE_ENTRY: &str = "aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d103000246000a6c6f6164466163746f72\
        4900097468726573686f6c6478703f4000000000000c77080000001000000001757200025b42acf317f8060854e0020000\
        78700000000f5b2263222c7b2266223a2278227d5d7571007e0002000000077b2270223a317d78";
    /// Recorded from ConnectStandalone 4.3.0 with a FileStreamSource.
    const RECORDED: &[u8] = include_bytes!("../../tests/golden/java-4.3.0-offsets.bin");

    fn hex(text: &str) -> Bytes {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn entries(pairs: &[(&'static str, &'static str)]) -> Entries {
        pairs
            .iter()
            .map(|(key, value)| (Bytes::from_static(key.as_bytes()), Bytes::from_static(value.as_bytes())))
            .collect()
    }

    #[test]
    fn writes_what_java_writes() {
        let one = entries(&[(r#"["c",{"f":"x"}]"#, r#"{"p":1}"#)]);
        assert_eq!(write(&one), hex(ONE_ENTRY));
        assert_eq!(read(&hex(ONE_ENTRY)), Ok(one));
    }

    #[test]
    fn reads_and_rewrites_a_recorded_file() {
        let recorded = Bytes::from_static(RECORDED);
        let read = read(&recorded).unwrap();
        assert_eq!(
            read,
            entries(&[(r#"["file-source",{"filename":"/tmp/kj/in.txt"}]"#, r#"{"position":792}"#)])
        );
        assert_eq!(write(&read), recorded);
    }

    #[test]
    fn grows_its_table_as_java_does() {
        let table = |count: u32| {
            let entries: Entries =
                (0..count).map(|n| (Bytes::copy_from_slice(&n.to_be_bytes()), Bytes::new())).collect();
            let bytes = write(&entries);
            let int = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            (int(67), int(73), int(77))
        };
        assert_eq!(table(0), (0, 16, 0));
        assert_eq!(table(12), (12, 16, 12));
        assert_eq!(table(13), (24, 32, 13));
        assert_eq!(table(25), (48, 64, 25));
    }

    #[test]
    fn reads_nulls_references_and_any_table_size() {
        let mut bytes = hex(ONE_ENTRY).to_vec();
        bytes.pop();
        let count = bytes.windows(2).position(|two| two == BLOCK_DATA).unwrap() + 6;
        bytes[count..count + 4].copy_from_slice(&3_u32.to_be_bytes());
        bytes[count - 4..count].copy_from_slice(&4096_u32.to_be_bytes());
        // A key that is the array with handle 0x7e0004 (the first value), and its value null; then the same array twice.
        bytes.extend_from_slice(&hex("71007e000470"));
        bytes.extend_from_slice(&hex("71007e000471007e000478"));
        let expected = entries(&[(r#"["c",{"f":"x"}]"#, r#"{"p":1}"#), (r#"{"p":1}"#, r#"{"p":1}"#)]);
        assert_eq!(read(&bytes.into()), Ok(expected));
    }

    #[test]
    fn nothing_is_an_empty_map() {
        assert_eq!(read(&Bytes::new()), Ok(Entries::new()));
        assert_eq!(read(&write(&Entries::new()).into()), Ok(Entries::new()));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let message = |bytes: &[u8]| read(&Bytes::copy_from_slice(bytes)).unwrap_err().to_string();
        assert_eq!(message(b"{\"a\":1}"), "byte 0 is not the header of a Java object stream");
        let valid = hex(ONE_ENTRY);
        assert_eq!(message(&valid[..110]), "ends at byte 110, within a byte array");
        let mut huge = valid.to_vec();
        huge[100..104].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(message(&huge), "ends at byte 137, within a byte array");
        huge[100..104].copy_from_slice(&(-1_i32).to_be_bytes());
        assert_eq!(message(&huge), "the length of a byte array at byte 100 is -1, which cannot be");
        let mut many = valid.to_vec();
        many[77..81].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(message(&many), "byte 136 is not a byte array or null");
    }

    proptest! {
        #[test]
        fn comes_back_as_written(
            pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..40)), 0..60)
        ) {
            let map: Entries = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
            prop_assert_eq!(read(&write(&map).into()), Ok(map));
        }

        #[test]
        fn survives_damage(at in 0_usize..137, byte: u8, cut in 0_usize..138) {
            let mut bytes = hex(ONE_ENTRY).to_vec();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _outcome = read(&bytes.into());
        }
    }
}
