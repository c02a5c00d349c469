//! What operators watch is what the processes say.

use std::{collections::BTreeSet, fs, path::Path};

const CATALOGUES: [&str; 5] =
    ["engines/src/bus/metrics.rs", "engines/src/log/metrics.rs", "gateway/src/metrics.rs", "persister/src/metrics.rs", "runtime/src/metrics.rs"];
/// What the exporter adds to a histogram's name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Every `parley_…` in the text.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("parley_")).map(ToOwned::to_owned).collect()
}

fn yaml_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn alerts_and_dashboards_ask_for_metrics_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let known: BTreeSet<String> = CATALOGUES.iter().flat_map(|file| names(&fs::read_to_string(root.join(file)).unwrap())).collect();
    let mut files = Vec::new();
    yaml_files(&root.join("observability"), &mut files);
    assert!(!files.is_empty());
    for file in files {
        for name in names(&fs::read_to_string(&file).unwrap()) {
            let whole = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
            assert!(known.contains(&name) || known.contains(whole), "{} asks for {name}, which nobody says", file.display());
        }
    }
}
