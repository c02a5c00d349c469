//! The vocabulary, seen from outside.

mod codec;
mod fixtures;
mod fold;
mod support;
