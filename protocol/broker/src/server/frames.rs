//! Frames on a byte stream: requests cut out of what was read, answers written from where their bytes lie.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use protocol::Error;
use protocol::wire::frame::{LENGTH_PREFIX_BYTES, frame_length};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room for small requests, which are most of them.
const READ_BYTES: usize = 16 * 1024;

/// A frame says its length before it proves it: room beyond this grows only as bytes arrive.
const TRUSTED_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of requests that have not been taken yet.
#[derive(Debug)]
pub(super) struct Input {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl Input {
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// Bytes that were read and not taken.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The next frame without its length prefix, if all of it is here.
    pub(super) fn take_frame(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(length) = self.frame_length()? else {
            return Ok(None);
        };
        if self.buffer.len() < LENGTH_PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_PREFIX_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Reads what has arrived; 0 at the end of the stream. Cancel safe.
    pub(super) async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<usize> {
        let wanted = match self.frame_length() {
            Ok(Some(length)) => LENGTH_PREFIX_BYTES + length,
            // A bad length is reported when the frame is taken.
            Ok(None) | Err(_) => 0,
        };
        let missing = wanted.saturating_sub(self.buffer.len());
        let room = missing.min(self.buffer.len().max(TRUSTED_BYTES_MAX)).max(READ_BYTES);
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < READ_BYTES / 4 || spare < missing.min(room) {
            self.buffer.reserve(room);
        }
        stream.read_buf(&mut self.buffer).await
    }

    fn frame_length(&self) -> Result<Option<usize>, Error> {
        match self.buffer.first_chunk::<LENGTH_PREFIX_BYTES>() {
            Some(prefix) => frame_length(*prefix, self.frame_bytes_max).map(Some),
            None => Ok(None),
        }
    }
}

/// Writes a frame that lies in pieces.
pub(super) async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut pieces: Vec<Bytes>,
) -> io::Result<()> {
    if let [single] = pieces.as_mut_slice() {
        stream.write_all_buf(single).await?;
    } else {
        stream.write_all_buf(&mut Gathered { pieces: pieces.into() }).await?;
    }
    stream.flush().await
}

/// Pieces that are written together. None of them is empty.
struct Gathered {
    pieces: VecDeque<Bytes>,
}

impl Buf for Gathered {
    fn remaining(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    fn has_remaining(&self) -> bool {
        !self.pieces.is_empty()
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pieces.pop_front();
        }
    }
}
