//! What is shipped has none of the bugs that the simulation plants into the product.

/// What any build contains in which a bug can be switched on: `proto/src/planted/switch.rs`.
const MARKER: &[u8] = b"parley contains bugs on purpose!";

fn contains(binary: &[u8], text: &[u8]) -> bool {
    let (last, rest) = text.split_last().unwrap();
    binary.split(|byte| byte == last).any(|piece| piece.ends_with(rest))
}

#[test]
fn the_binary_has_no_bugs_on_purpose() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_parley")).unwrap();
    assert!(contains(&binary, b"listening on "), "what it says at its start is found, so the marker would be");
    assert!(!contains(&binary, MARKER), "a feature was unified into it that only the simulation may turn on");
}
