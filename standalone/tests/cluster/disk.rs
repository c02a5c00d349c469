//! The disk under Kafka, Postgres and everything else is full for a while. A small one of its own is mounted for that, so it takes root's rights.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use parley_cluster::cluster::Brokers;
use tokio::time::{Instant, sleep};

use crate::{
    talk::Talk,
    world::{LIVE, World},
};

const DISK: &str = "size=1g";
/// Longer than any of them takes to notice.
const FULL_FOR: Duration = Duration::from_secs(5);

/// A mounted file system; dropped, it is gone.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all the space that is left; gives it back when the file is removed.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0; size];
            loop {
                match file.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Never a false ack, and everything goes on by itself when there is space again.
pub(crate) async fn it_is_full_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&folder.path().join("cluster")) else {
        println!("left out: this process may not mount a disk");
        return;
    };
    let world = World::in_folder(folder, Brokers::One).await;
    let talk = Talk::start(&world).await;
    sleep(Duration::from_secs(1)).await;
    let ballast = disk.fill();
    sleep(FULL_FOR).await;
    fs::remove_file(ballast).unwrap();
    let space = Instant::now();
    world.whole().await;
    let ended = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let told = talk.end(&world).await;
    println!(
        "disk full for {} s: all processes ready {} ms after there was space again, live for everybody {} ms after that; {} acked, {} refused meanwhile",
        FULL_FOR.as_secs(),
        ended.duration_since(space).as_millis(),
        told.live_again(ended).as_millis(),
        told.acked,
        told.refused
    );
    assert!(told.refused > 0, "nobody noticed");
    assert!(told.live_again(ended) <= LIVE);
    world.stop().await;
}
