//! Golden examples. The web app's tests read the same files; a change here is a change of the protocol.

use std::path::PathBuf;

use parley_proto::{
    Kind, MessageId, codec,
    wire::{ClientFrame, ServerFrame, refused_path},
};

use crate::support::{record, room};

fn fixture(name: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

#[test]
fn server_frames_are_what_the_fixtures_say() {
    for example in fixture("server_frames.json").as_array().unwrap() {
        let frame: ServerFrame = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(&serde_json::to_value(&frame).unwrap(), example);
    }
}

#[test]
fn client_frames_are_what_the_fixtures_say() {
    for example in fixture("client_frames.json").as_array().unwrap() {
        let frame: ClientFrame = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(&serde_json::to_value(&frame).unwrap(), example);
    }
}

#[test]
fn frames_that_clients_must_not_send_are_refused() {
    for example in fixture("client_frames_refused.json").as_array().unwrap() {
        let text = example["text"].as_str().unwrap();
        assert!(serde_json::from_str::<ClientFrame>(text).is_err(), "{}: {text}", example["why"]);
    }
}

#[test]
fn a_vote_that_is_none_is_refused_with_the_field_that_is_wrong() {
    for example in fixture("client_frames_refused.json").as_array().unwrap().iter().filter(|example| example["path"].is_string()) {
        assert_eq!(refused_path(example["text"].as_str().unwrap()).as_deref(), example["path"].as_str(), "{}", example["why"]);
    }
}

#[test]
fn records_are_what_the_fixtures_say() {
    let examples = fixture("records_v1.json");
    for kind in Kind::ALL {
        let record = record(kind, room(1), 5, 6, 64, 96);
        let example = &examples[kind.name()];
        let hex: String = codec::encode(&record).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(example["hex"], hex, "{kind:?}");
        assert_eq!(example["id"], record.id().to_string(), "{kind:?}");
        assert_eq!(MessageId::derive(record.room, record.sender, record.cid, record.base), record.id());
    }
}
