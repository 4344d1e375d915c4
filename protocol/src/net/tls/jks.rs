//! Reads Java's own key store format, JKS: certificates and, opened by Sun's old SHA-1 cipher, private keys.
//!
//! The store's digest is checked where there is a password, which is how a wrong one is noticed.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use crate::{Error, Result};

const DOING: &str = "read JKS key store";
const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const DIGEST_BYTES: usize = 20;
/// 1.3.6.1.4.1.42.2.17.1.1, DER-encoded: the cipher that `keytool` uses for keys in JKS.
const KEY_PROTECTOR: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01];

/// What a store holds, in DER.
#[derive(Default)]
pub(super) struct Jks {
    pub(super) trusted: Vec<Vec<u8>>,
    /// Encrypted keys, each with its chain.
    pub(super) keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

pub(super) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads a store; checks its digest where a password is given.
pub(super) fn parse(bytes: &[u8], password: Option<&str>) -> Result<Jks> {
    let body = bytes.len().checked_sub(DIGEST_BYTES).and_then(|end| bytes.split_at_checked(end));
    let Some((body, digest)) = body else { return Err(bad("it is too short")) };
    if let Some(password) = password {
        let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        sum.update(&utf16(password));
        sum.update(b"Mighty Aphrodite");
        sum.update(body);
        if sum.finish().as_ref() != digest {
            return Err(bad("its password is wrong, or it was changed"));
        }
    }
    let mut input = Input { rest: body };
    if input.take(4)? != MAGIC {
        return Err(bad("it does not begin as one"));
    }
    let version = input.u32()?;
    if !matches!(version, 1 | 2) {
        return Err(bad("its version is neither 1 nor 2"));
    }
    let mut store = Jks::default();
    // Entries are counted, but only what is really there is read: the count allocates nothing.
    for _ in 0..input.u32()? {
        let tag = input.u32()?;
        let alias_bytes = input.u16()?;
        input.take(usize::from(alias_bytes))?;
        input.take(8)?;
        match tag {
            1 => {
                let key = input.sized()?.to_vec();
                let mut chain = Vec::new();
                for _ in 0..input.u32()? {
                    chain.push(input.certificate(version)?);
                }
                store.keys.push((key, chain));
            }
            2 => store.trusted.push(input.certificate(version)?),
            _ => return Err(bad("it holds an entry of unknown kind")),
        }
    }
    Ok(store)
}

/// Opens a private key; gives PKCS#8.
pub(super) fn decrypt_key(encrypted: &[u8], password: &str) -> Result<Vec<u8>> {
    let (0x30, outer, _) = der(encrypted)? else { return Err(bad("a key is not wrapped as one")) };
    let (0x30, algorithm, rest) = der(outer)? else { return Err(bad("a key has no cipher")) };
    if !algorithm.starts_with(KEY_PROTECTOR) {
        return Err(bad("a key is encrypted by an unknown cipher"));
    }
    let (0x04, sealed, _) = der(rest)? else { return Err(bad("a key has no content")) };
    let Some(inner_bytes) = sealed.len().checked_sub(2 * DIGEST_BYTES) else {
        return Err(bad("a key is too short"));
    };
    let (salt, rest) = sealed.split_at(DIGEST_BYTES);
    let (body, check) = rest.split_at(inner_bytes);
    let password = utf16(password);
    let sha1 = |data: &[u8]| {
        let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        sum.update(&password);
        sum.update(data);
        sum.finish()
    };
    let mut plain = Vec::with_capacity(body.len());
    let mut block = sha1(salt);
    for chunk in body.chunks(DIGEST_BYTES) {
        plain.extend(chunk.iter().zip(block.as_ref()).map(|(byte, mask)| byte ^ mask));
        block = sha1(block.as_ref());
    }
    if sha1(&plain).as_ref() != check {
        return Err(bad("the key's password is wrong (ssl.key.password)"));
    }
    Ok(plain)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| bad("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn sized(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn certificate(&mut self, version: u32) -> Result<Vec<u8>> {
        if version == 2 {
            let kind_bytes = self.u16()?;
            if self.take(usize::from(kind_bytes))? != b"X.509" {
                return Err(bad("it holds a certificate that is not X.509"));
            }
        }
        Ok(self.sized()?.to_vec())
    }
}

/// Tag and content of the first DER value, and what follows it.
fn der(bytes: &[u8]) -> Result<(u8, &[u8], &[u8])> {
    let mut input = Input { rest: bytes };
    let head = input.take(2)?;
    let length = match head[1] {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(input.take(1)?[0]),
        0x82 => usize::from(input.u16()?),
        _ => return Err(bad("a key is of impossible length")),
    };
    let content = input.take(length)?;
    Ok((head[0], content, input.rest))
}

/// Passwords are hashed as Java's characters.
fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn bad(detail: &'static str) -> Error {
    Error::malformed(DOING, detail)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A store as `keytool` writes it, for tests without Java.
    pub(in crate::net::tls) fn write(
        trusted: &[&[u8]],
        key: Option<(&[u8], &[&[u8]])>,
        password: &str,
    ) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let sized = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
        };
        out.extend(2_u32.to_be_bytes());
        out.extend((trusted.len() as u32 + u32::from(key.is_some())).to_be_bytes());
        let head = |out: &mut Vec<u8>, tag: u32| {
            out.extend(tag.to_be_bytes());
            out.extend([0, 1, b'a']);
            out.extend([0; 8]);
        };
        let certificate = |out: &mut Vec<u8>, der: &[u8]| {
            out.extend([0, 5]);
            out.extend(b"X.509");
            sized(out, der);
        };
        for der in trusted {
            head(&mut out, 2);
            certificate(&mut out, der);
        }
        if let Some((key, chain)) = key {
            head(&mut out, 1);
            sized(&mut out, &encrypt_key(key, password));
            out.extend((chain.len() as u32).to_be_bytes());
            for der in chain {
                certificate(&mut out, der);
            }
        }
        let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        sum.update(&utf16(password));
        sum.update(b"Mighty Aphrodite");
        sum.update(&out);
        out.extend(sum.finish().as_ref());
        out
    }

    fn encrypt_key(plain: &[u8], password: &str) -> Vec<u8> {
        let password = utf16(password);
        let sha1 = |data: &[u8]| {
            let mut sum = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
            sum.update(&password);
            sum.update(data);
            sum.finish().as_ref().to_vec()
        };
        let mut sealed = vec![7; DIGEST_BYTES];
        let mut block = sha1(&sealed);
        for chunk in plain.chunks(DIGEST_BYTES) {
            sealed.extend(chunk.iter().zip(&block).map(|(byte, mask)| byte ^ mask));
            block = sha1(&block);
        }
        sealed.extend(sha1(plain));
        let wrap = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, 0x82];
            out.extend((content.len() as u16).to_be_bytes());
            out.extend(content);
            out
        };
        let algorithm = wrap(0x30, &[KEY_PROTECTOR, &[5, 0]].concat());
        wrap(0x30, &[algorithm, wrap(4, &sealed)].concat())
    }

    #[test]
    fn reads_what_was_written() {
        let bytes = write(
            &[b"one", b"two"],
            Some((b"the private key, longer than a digest", &[b"leaf"])),
            "pässword",
        );
        assert!(is_jks(&bytes));
        let store = parse(&bytes, Some("pässword")).unwrap();
        assert_eq!(store.trusted, [b"one".to_vec(), b"two".to_vec()]);
        let (key, chain) = &store.keys[0];
        assert_eq!(chain, &[b"leaf".to_vec()]);
        assert_eq!(decrypt_key(key, "pässword").unwrap(), b"the private key, longer than a digest");
        assert!(decrypt_key(key, "other").is_err());
        assert!(parse(&bytes, Some("other")).is_err());
        assert_eq!(parse(&bytes, None).unwrap().trusted.len(), 2);
    }

    #[test]
    fn no_prefix_of_a_store_and_no_hostile_count_does_harm() {
        let bytes = write(&[b"one"], Some((b"key", &[b"leaf"])), "p");
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end], None).is_err(), "{end}");
        }
        let mut hostile = MAGIC.to_vec();
        hostile.extend([0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff]);
        hostile.extend([0; DIGEST_BYTES]);
        assert!(parse(&hostile, None).is_err());
        for bad in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"] {
            assert!(decrypt_key(bad, "p").is_err());
        }
    }
}
