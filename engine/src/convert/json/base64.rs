//! Base64 as Jackson reads and writes it: the standard alphabet, padding demanded, no blanks.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const VALUES: [u8; 256] = {
    let mut values = [0xFF; 256];
    let mut index = 0;
    while index < 64 {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

/// Appends the bytes that `text` stands for; `None`, with nothing appended, when it is no base64.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let decoded = decode_groups(text, out);
    if decoded.is_none() {
        out.truncate(start);
    }
    decoded
}

fn decode_groups(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (groups, []) = text.as_chunks::<4>() else { return None };
    let Some((last, groups)) = groups.split_last() else { return Some(()) };
    let value = |byte: u8| match VALUES[usize::from(byte)] {
        0xFF => None,
        value => Some(u32::from(value)),
    };
    for [a, b, c, d] in groups {
        let word = value(*a)? << 18 | value(*b)? << 12 | value(*c)? << 6 | value(*d)?;
        out.extend_from_slice(&word.to_be_bytes()[1..]);
    }
    let (word, len) = match last {
        [a, b, b'=', b'='] => (value(*a)? << 18 | value(*b)? << 12, 1),
        [a, b, c, b'='] => (value(*a)? << 18 | value(*b)? << 12 | value(*c)? << 6, 2),
        [a, b, c, d] => (value(*a)? << 18 | value(*b)? << 12 | value(*c)? << 6 | value(*d)?, 3),
    };
    out.extend_from_slice(&word.to_be_bytes()[1..][..len]);
    Some(())
}

/// Appends the base64 text of `bytes`.
pub(in crate::convert) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let letter = |word: u32, shift: u32| ALPHABET[(word >> shift & 63) as usize];
    let (groups, rest) = bytes.as_chunks::<3>();
    out.reserve(groups.len() * 4 + 4);
    for [a, b, c] in groups {
        let word = u32::from_be_bytes([0, *a, *b, *c]);
        out.extend_from_slice(&[letter(word, 18), letter(word, 12), letter(word, 6), letter(word, 0)]);
    }
    match rest {
        [a] => {
            let word = u32::from_be_bytes([0, *a, 0, 0]);
            out.extend_from_slice(&[letter(word, 18), letter(word, 12), b'=', b'=']);
        }
        [a, b] => {
            let word = u32::from_be_bytes([0, *a, *b, 0]);
            out.extend_from_slice(&[letter(word, 18), letter(word, 12), letter(word, 6), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn demands_padding_and_no_blanks() {
        let check = |text: &str, expected: Option<&[u8]>| {
            let mut out = Vec::new();
            let decoded = decode(text.as_bytes(), &mut out);
            assert_eq!(decoded.map(|()| &out[..]), expected, "{text}");
        };
        check("", Some(b""));
        check("AMg=", Some(&[0, 200]));
        check("AMg", None);
        check("AM g", None);
        check("A===", None);
        check("AMg=AMg=", None);
        check("_-==", None);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let (mut text, mut decoded) = (Vec::new(), Vec::new());
            encode(&bytes, &mut text);
            prop_assert!(decode(&text, &mut decoded).is_some());
            prop_assert_eq!(decoded, bytes);
        }
    }
}
