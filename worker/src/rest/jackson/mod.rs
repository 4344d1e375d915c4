//! JSON as Java's library reads it into a class: what it accepts, and how it words what it does not.
//!
//! Scripts and people know these messages, and where in the body they point. Nothing here trusts the body: depth and numbers
//! are bounded as in Java, its length is bounded by whoever read it.

mod bind;
mod lexer;

pub(super) use bind::{Kind, Node, no_content, read};
