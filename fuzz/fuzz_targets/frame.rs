//! A client's frame is read as it would be written, or refused with a path that is a part of what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parley_proto::wire::{ClientFrame, refused_path};

fuzz_target!(|text: &str| {
    match serde_json::from_str::<ClientFrame>(text) {
        Ok(frame) => {
            let written = serde_json::to_string(&frame).expect("what was read can be written");
            assert_eq!(serde_json::from_str::<ClientFrame>(&written).expect("and read again"), frame);
        }
        Err(_) => assert!(refused_path(text).is_none_or(|path| path.len() <= text.len() + 2)),
    }
});
