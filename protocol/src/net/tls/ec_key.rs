//! Elliptic-curve keys as Java writes them: without the public key, which ring wants beside the private one. The certificate has it.

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[1]` of an `ECPrivateKey`.
const PUBLIC_KEY: u8 = 0xa1;
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A PKCS #8 key with the public key of its certificate put in; `None` where it has one, or is no such key.
pub(super) fn completed(pkcs8: &[u8], certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (body, _) = element(SEQUENCE, pkcs8)?;
    let (_, rest) = element(INTEGER, body)?;
    let (algorithm, rest) = element(SEQUENCE, rest)?;
    let (kind, _) = element(OBJECT_IDENTIFIER, algorithm)?;
    let (key, _) = element(OCTET_STRING, rest)?;
    let (key, _) = element(SEQUENCE, key)?;
    let (_, rest) = element(INTEGER, key)?;
    let (private, mut optional) = element(OCTET_STRING, rest)?;
    if kind != EC_PUBLIC_KEY {
        return None;
    }
    while let Some((&tag, _)) = optional.split_first() {
        if tag == PUBLIC_KEY {
            return None;
        }
        optional = element(tag, optional)?.1;
    }
    let info = ParsedCertificate::try_from(certificate).ok()?.subject_public_key_info();
    let (info, _) = element(SEQUENCE, info.as_ref())?;
    let (_, info) = element(SEQUENCE, info)?;
    let (public, _) = element(BIT_STRING, info)?;

    let public = written(PUBLIC_KEY, &written(BIT_STRING, public));
    let key = [written(INTEGER, &[1]), written(OCTET_STRING, private), public].concat();
    let key = written(OCTET_STRING, &written(SEQUENCE, &key));
    Some(written(SEQUENCE, &[written(INTEGER, &[0]), written(SEQUENCE, algorithm), key].concat()))
}

/// The content of the element at the beginning, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        // Two bytes are enough for any key and certificate's part.
        let (bytes, after) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 2)?;
        len = bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        rest = after;
    }
    if found == tag { rest.split_at_checked(len) } else { None }
}

fn written(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut der = match len {
        0..0x80 => vec![tag, len as u8],
        0x80..0x100 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::crypto::ring::sign::any_supported_type;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    /// As Java's `ECPrivateKeyImpl` writes it.
    fn without_public_key(pkcs8: &[u8]) -> Vec<u8> {
        let (body, _) = element(SEQUENCE, pkcs8).unwrap();
        let (_, rest) = element(INTEGER, body).unwrap();
        let (algorithm, rest) = element(SEQUENCE, rest).unwrap();
        let (key, _) = element(OCTET_STRING, rest).unwrap();
        let (key, _) = element(SEQUENCE, key).unwrap();
        let (_, rest) = element(INTEGER, key).unwrap();
        let (private, _) = element(OCTET_STRING, rest).unwrap();
        let key = [written(INTEGER, &[1]), written(OCTET_STRING, private)].concat();
        let key = written(OCTET_STRING, &written(SEQUENCE, &key));
        written(SEQUENCE, &[written(INTEGER, &[0]), written(SEQUENCE, algorithm), key].concat())
    }

    #[test]
    fn javas_form_becomes_one_that_signs() {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a".to_owned()]).unwrap();
        let whole = signing_key.serialize_der();
        assert!(completed(&whole, cert.der()).is_none(), "it has what it needs");
        let bare = without_public_key(&whole);
        let signs = |der: &[u8]| any_supported_type(&PrivatePkcs8KeyDer::from(der.to_vec()).into()).is_ok();
        assert!(!signs(&bare), "ring takes it now: this file is no longer needed");
        assert!(signs(&completed(&bare, cert.der()).unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_no_key_or_one(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            let own = generate_simple_self_signed(["a".to_owned()]).unwrap();
            let _either = completed(&bytes, own.cert.der());
        }
    }
}
