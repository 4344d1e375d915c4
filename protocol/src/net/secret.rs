//! Text that must never be seen: passwords, tokens, keys.

use std::fmt;
use std::sync::Arc;

/// A secret. Clones share it; it cannot be printed, and its bytes are overwritten when the last clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: Arc<Guarded>,
}

#[derive(PartialEq, Eq)]
struct Guarded {
    text: String,
}

impl Secret {
    /// Takes over `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: Arc::new(Guarded { text: text.into() }) }
    }

    /// The secret itself, for whoever has to send or use it.
    pub fn expose(&self) -> &str {
        &self.text.text
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.text.is_empty()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.fill(0);
        // The compiler has to believe that somebody looks at the zeros, or it leaves them out.
        std::hint::black_box(&bytes);
    }
}

/// What stands in place of a secret, as Java prints its `Password`.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_printed() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[hidden] Some([hidden])");
        assert_eq!(secret.clone().expose(), "canary");
    }
}
