//! docs/api.md is the contract: what it names exists, and what exists it names. What frames carry is the fixtures' matter.

use std::collections::BTreeSet;

use parley_proto::{
    ErrorCode,
    wire::{ClientFrame, ServerFrame},
};
use serde::de::DeserializeOwned;

const PAGE: &str = include_str!("../../../docs/api.md");

/// The part under this heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let start = PAGE.find(heading).unwrap_or_else(|| panic!("{heading} is no heading of docs/api.md")) + heading.len();
    let rest = &PAGE[start..];
    rest.find("\n#").map_or(rest, |end| &rest[..end])
}

/// What stands in backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The first column of the part's table.
fn types(heading: &str) -> BTreeSet<String> {
    let rows = section(heading).lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    rows.flat_map(quoted).map(str::to_owned).collect()
}

/// The names by which serde knows the frames.
fn known<F: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = serde_json::from_str::<F>(r#"{"type": "?"}"#) else { panic!("? is a frame") };
    let names: BTreeSet<_> = quoted(&error.to_string()).into_iter().filter(|name| *name != "?").map(str::to_owned).collect();
    assert!(names.len() > 5, "{error}");
    names
}

#[test]
fn every_frame_is_in_the_page_and_every_frame_in_the_page_exists() {
    assert_eq!(types("### Client → server"), known::<ClientFrame>());
    assert_eq!(types("### Server → client"), known::<ServerFrame>());
}

#[test]
fn every_error_code_is_in_the_page_and_every_code_in_the_page_exists() {
    let page = section("## Errors");
    let list = &page[page.find("is one enum").unwrap()..];
    let exist: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| serde_json::to_value(code).unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(quoted(list).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), exist);
}
