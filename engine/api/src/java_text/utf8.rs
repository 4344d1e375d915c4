//! Malformed UTF-8 as Java decodes it.

/// Bytes as text, as Java's UTF-8 decoder reads them: each malformed sequence becomes U+FFFD. As Rust's lossy decoding, but an
/// encoded surrogate is one malformed sequence and not three. (Contract B.2, 21.)
pub fn decode_utf8_lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        out.push_str(chunk.valid());
        let at = chunk.valid().len();
        if chunk.invalid().is_empty() {
            break;
        }
        out.push('\u{fffd}');
        let malformed = match rest[at..] {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
            _ => chunk.invalid().len(),
        };
        rest = &rest[at + malformed..];
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_malformed_text_as_java_does() {
        assert_eq!(decode_utf8_lossy("plain ü".as_bytes()), "plain ü");
        assert_eq!(decode_utf8_lossy(b"a\xed\xa0\x80b"), "a\u{fffd}b");
        assert_eq!(decode_utf8_lossy(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xe2\x82"), "\u{fffd}");
        assert_eq!(decode_utf8_lossy(b"\xf0\x9f\x98x\xed\xa0"), "\u{fffd}x\u{fffd}\u{fffd}");
    }
}
