//! Columns of text that transforms write: one buffer for all rows, and views on it.

use api::Result;
use api::views::StringViews;
use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, NullBuffer};

/// Text row by row: write to [`Texts::bytes`], then [`Texts::end_row`].
#[derive(Debug)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Room for `rows` of about so many bytes.
    pub(super) fn with_capacity(rows: usize, row_bytes: usize) -> Texts {
        Texts { bytes: Vec::with_capacity(rows * row_bytes), ends: Vec::with_capacity(rows) }
    }

    /// What the rows are written to, one after the other, in UTF-8.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a row.
    pub(super) fn end_row(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// The column; `nulls` says which rows are null, whatever was written for them.
    ///
    /// # Errors
    /// When it is longer than views can address (4 GiB).
    pub(super) fn finish(self, nulls: Option<&NullBuffer>) -> Result<StringViewArray> {
        let mut views = StringViews::with_capacity(self.ends.len());
        views.add_buffer(Buffer::from_vec(self.bytes))?;
        let mut start = 0;
        for (row, end) in self.ends.into_iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                views.push_null();
            } else {
                views.push(start, end - start);
            }
            start = end;
        }
        Ok(views.finish())
    }
}

/// The same text in every row that is not null.
///
/// # Errors
/// When it is longer than views can address (4 GiB).
pub(super) fn repeated(text: &str, rows: usize, nulls: Option<&NullBuffer>) -> Result<StringViewArray> {
    let mut views = StringViews::with_capacity(rows);
    views.add_buffer(Buffer::from(text.as_bytes()))?;
    for row in 0..rows {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            views.push_null();
        } else {
            views.push(0, text.len());
        }
    }
    Ok(views.finish())
}
