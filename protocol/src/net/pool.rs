//! Stand-in until `wire::records::pool` is there.
use bytes::{BufMut, Bytes, BytesMut, buf::UninitSlice};

/// Stand-in.
#[derive(Debug, Clone, Default)]
pub struct BufferPool;
impl BufferPool {
    /// Stand-in.
    pub fn get(&self, capacity: usize) -> PooledBuffer {
        PooledBuffer(BytesMut::with_capacity(capacity))
    }
}
/// Stand-in.
#[derive(Debug)]
pub struct PooledBuffer(BytesMut);
impl PooledBuffer {
    /// Stand-in.
    pub fn freeze(self) -> Bytes {
        self.0.freeze()
    }
}
// SAFETY: forwards.
unsafe impl BufMut for PooledBuffer {
    fn remaining_mut(&self) -> usize {
        self.0.remaining_mut()
    }
    unsafe fn advance_mut(&mut self, cnt: usize) {
        // SAFETY: forwards.
        unsafe { self.0.advance_mut(cnt) }
    }
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.0.chunk_mut()
    }
}
