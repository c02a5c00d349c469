//! Cursors of lists and resume tokens: as they come, and signed by ourselves, so that what lies behind the signature is read.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use parley_gateway::{
    session::fuzzing::resume_token_is_read_as_written,
    tokens::{Cursors, List, Signer, TokenKey},
};
use parley_proto::RoomId;

static ROOT: LazyLock<Signer> = LazyLock::new(|| Signer::new(&TokenKey::new("a long enough secret, 0123456789 abc").expect("it is long enough"), None));

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    assert_eq!(ROOT.verify(&text), None, "nobody signed it");
    let signed = ROOT.sign(data);
    assert!(ROOT.verify(&signed).is_none_or(|payload| payload == data));
    let list = List::Messages(RoomId::NIL);
    let cursors = Cursors::new(&ROOT);
    assert!(cursors.read::<u64>(&list, &text).is_err(), "nobody signed it");
    // As `Cursors` signs: for this list, and for no other.
    let own = ROOT.derive("cursor").derive(&format!("list.messages.{}", RoomId::NIL)).sign(data);
    if let Ok((direction, key)) = cursors.read::<u64>(&list, &own) {
        let again = cursors.write(&list, direction, &key).expect("what was read can be written");
        assert_eq!(cursors.read::<u64>(&list, &again).expect("and read again"), (direction, key));
        assert!(cursors.read::<u64>(&List::Directory(None), &own).is_err(), "it is of one list only");
    }
    assert!(resume_token_is_read_as_written(&ROOT, data));
});
