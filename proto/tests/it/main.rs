//! The vocabulary, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod api_page;
mod codec;
mod fixtures;
mod fold;
mod mutations;
mod support;
