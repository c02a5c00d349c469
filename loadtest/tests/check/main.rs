//! The harness itself is held to something: a sound history is valid, and each kind of anomaly is found under its promise's name.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod anomalies;
mod size;
mod sound;
mod story;
