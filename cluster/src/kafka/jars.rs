//! Kafka's jars: fetched by Maven once for all builds and tests of this checkout.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    error::ClusterError,
    files,
    install::{self, Need},
};

/// As in pom.xml.
const FOLDER: &str = "kafka-4.3.0";

/// The folder with the jars. Whoever comes while they are fetched waits.
pub fn ensure() -> Result<PathBuf, ClusterError> {
    let cache = files::make_folder(&install::cache_folder())?;
    let jars = cache.join(FOLDER);
    if jars.is_dir() {
        return Ok(jars);
    }
    let lock = cache.join(format!("{FOLDER}.lock"));
    let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(ClusterError::io(lock.display().to_string()))?;
    if !jars.is_dir() {
        install::ensure(&[Need::Java, Need::Maven])?;
        fetch(&cache, &jars)?;
    }
    drop(lock);
    Ok(jars)
}

/// Beside, then moved into place: a fetch that is cut short leaves no half folder.
fn fetch(cache: &Path, jars: &Path) -> Result<(), ClusterError> {
    eprintln!("fetching Kafka's jars with Maven into {} (50 MB, once)", jars.display());
    let beside = cache.join(format!("{FOLDER}.part"));
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(ClusterError::io(beside.display().to_string()))?;
    }
    let beside = files::make_folder(&beside)?;
    let pom = cache.join("kafka-pom.xml");
    files::write(&pom, include_str!("pom.xml"))?;
    let mut maven = Command::new("mvn");
    // -C: a jar that is not what its checksum says fails the fetch.
    maven.args(["-B", "-q", "-C", "-f"]).arg(&pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    install::run(maven.arg(format!("-DoutputDirectory={}", beside.display())))?;
    fs::rename(&beside, jars).map_err(ClusterError::io(jars.display().to_string()))
}
