//! persister
