//! What is shipped has none of the bugs that the simulation plants into the product.

/// What any build contains in which a bug can be switched on: `proto/src/planted/switch.rs`.
const MARKER: &[u8] = b"parley contains bugs on purpose!";

fn contains(binary: &[u8], text: &[u8]) -> bool {
    binary.windows(text.len()).any(|piece| piece == text)
}

#[test]
fn the_binary_has_no_bugs_on_purpose() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_parley")).unwrap();
    assert!(contains(&binary, b"parley_persister_batch_records"), "the name of a metric is found, so the marker would be");
    assert!(!contains(&binary, MARKER), "a feature was unified into it that only the simulation may turn on");
}
