//! The files of sessions in a folder: nothing ever leads out of a home, whoever planted what there.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use sederunt_core::blob::{BlobPath, Blobs as _, Home};
use sederunt_core::error::Result;
use sederunt_store::Folder;
use tempfile::TempDir;

use crate::blobs::{WIDE, all, home, is_missing, is_not_allowed, once, path, text};
use crate::world::at;

/// The files in a data directory of their own, and one session's home.
struct Drawer {
    folder: Folder,
    home: Home,
    data: PathBuf,
    ground: TempDir,
}

impl Drawer {
    fn that_is(durable: bool) -> Self {
        let ground = tempfile::tempdir().unwrap();
        let data = ground.path().join("data");
        std::fs::create_dir(&data).unwrap();
        Self { folder: Folder::open(&data, durable).unwrap(), home: home(1), data, ground }
    }

    /// Where the home lies on the disk.
    fn on_disk(&self) -> PathBuf {
        self.data.join("blobs/acme").join(self.home.session.to_string())
    }

    async fn put(&self, to: &str, content: &'static str) -> Result<u64> {
        self.folder.put(&self.home, &path(to), once(content), WIDE, at(0)).await
    }

    async fn text(&self, of: &str) -> Result<String> {
        text(self.folder.get(&self.home, &path(of)).await?).await
    }

    fn is_idle(&self) -> bool {
        std::fs::read_dir(self.data.join("blobs/.work")).unwrap().next().is_none()
    }
}

#[tokio::test]
async fn nothing_of_a_home_that_went_stays_on_the_disk() {
    let drawer = Drawer::that_is(true);
    drawer.put("sub/a", "1").await.unwrap();
    drawer.folder.delete_all(&drawer.home).await.unwrap();
    assert!(!drawer.on_disk().exists());
    assert!(drawer.is_idle());
}

#[tokio::test]
async fn what_a_dead_process_was_writing_is_gone_after_a_start() {
    let drawer = Drawer::that_is(true);
    drawer.put("a", "kept").await.unwrap();
    let work = drawer.data.join("blobs/.work");
    std::fs::write(work.join("0"), "half").unwrap();
    std::fs::create_dir_all(work.join("1/deep")).unwrap();
    let again = Folder::open(&drawer.data, true).unwrap();
    assert!(drawer.is_idle());
    assert_eq!(text(again.get(&drawer.home, &path("a")).await.unwrap()).await.unwrap(), "kept");
}

#[tokio::test]
async fn links_and_pipes_are_neither_shown_nor_followed() {
    let drawer = Drawer::that_is(true);
    drawer.put("a", "own").await.unwrap();
    let outside = drawer.ground.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let disk = drawer.on_disk();
    symlink(&outside, disk.join("folder")).unwrap();
    symlink(outside.join("secret"), disk.join("file")).unwrap();
    symlink("a", disk.join("near")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, disk.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let shown = drawer.folder.list(&drawer.home, &path("."), &all()).await.unwrap().items;
    assert_eq!(shown.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a"]);
    for name in ["folder", "file", "near", "pipe", "folder/secret"] {
        is_missing(drawer.text(name).await);
        is_missing(drawer.folder.stat(&drawer.home, &path(name)).await);
        is_missing(drawer.folder.remove(&drawer.home, &path(name), true, at(0)).await);
    }
    is_missing(drawer.folder.list(&drawer.home, &path("folder"), &all()).await);
    is_not_allowed(drawer.put("folder/new", "1").await);
    drawer.put("file", "mine").await.unwrap();
    assert_eq!(drawer.text("file").await.unwrap(), "mine");
    drawer.folder.delete_all(&drawer.home).await.unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

/// Everything below a directory but what is under `except`, with the bytes of files.
fn snapshot(of: &Path, except: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(of).unwrap() {
        let entry = entry.unwrap();
        if entry.path() == except {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.insert(entry.path(), Vec::new());
            found.extend(snapshot(&entry.path(), except));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    found
}

/// A home among others, in which somebody has planted links that lead out of it.
struct Trap {
    drawer: Drawer,
    outside: BTreeMap<PathBuf, Vec<u8>>,
    tried: AtomicU32,
}

impl Trap {
    async fn new() -> Self {
        let drawer = Drawer::that_is(false);
        drawer.folder.put(&home(2), &path("secret"), once("secret"), WIDE, at(0)).await.unwrap();
        std::fs::create_dir(drawer.ground.path().join("etc")).unwrap();
        std::fs::write(drawer.ground.path().join("etc/secret"), "secret").unwrap();
        std::fs::write(drawer.data.join("secret"), "secret").unwrap();
        let outside = snapshot(drawer.ground.path(), &drawer.on_disk());
        let trap = Self { drawer, outside, tried: AtomicU32::new(0) };
        trap.plant().await;
        trap
    }

    /// Makes the home anew, with the links in it.
    async fn plant(&self) {
        self.drawer.folder.delete_all(&self.drawer.home).await.unwrap();
        self.drawer.put("a/b", "own").await.unwrap();
        let (disk, ground) = (self.drawer.on_disk(), self.drawer.ground.path());
        for (name, target) in [
            ("out", ground.join("etc")),
            ("file", ground.join("etc/secret")),
            ("up", PathBuf::from("..")),
            ("root", PathBuf::from("/")),
            ("a/neighbour", PathBuf::from("../..").join(home(2).session.to_string())),
            ("a/loop", PathBuf::from("loop")),
        ] {
            symlink(target, disk.join(name)).unwrap();
        }
    }

    /// Does everything that can be done with a path. No error is a wrong one; what counts is what it leaves.
    async fn try_all(&self, text_of_path: &str) {
        let Ok(path) = text_of_path.parse::<BlobPath>() else { return };
        let (folder, home) = (&self.drawer.folder, &self.drawer.home);
        if let Ok(blob) = folder.get(home, &path).await {
            assert_ne!(text(blob).await.unwrap(), "secret", "{path}");
        }
        if let Ok(found) = folder.list(home, &path, &all()).await {
            assert!(found.items.iter().all(|entry| entry.name != "secret"), "{path}");
        }
        _ = folder.stat(home, &path).await;
        _ = folder.put(home, &path, once("planted"), WIDE, at(0)).await;
        _ = folder.make_folder(home, &path, WIDE, at(0)).await;
        _ = folder.remove(home, &path, self.tried.load(Ordering::Relaxed).is_multiple_of(2), at(0)).await;
    }

    fn is_whole(&self) -> bool {
        snapshot(self.drawer.ground.path(), &self.drawer.on_disk()) == self.outside
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "..",
        "..",
        ".",
        "",
        "a",
        "b",
        "out",
        "file",
        "up",
        "root",
        "neighbour",
        "loop",
        "etc",
        "planted",
        "%2e%2e",
        "..%2f",
        "%00",
        "\0",
        "...",
        "..\\",
        "\\..",
        "C:",
        "~",
        ".work",
        "acme",
        "data",
        "\u{2024}\u{2024}",
        "..\u{200b}",
        "\n",
        "%2fetc",
    ]);
    (prop::bool::ANY, prop::collection::vec(name, 0..8), prop::sample::select(vec!["", "/", "secret", "/secret"]))
        .prop_map(|(rooted, names, end)| format!("{}{}{end}", if rooted { "/" } else { "" }, names.join("/")))
}

/// Tries this many hostile paths, in a trap of its own.
fn hold_off(paths: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let trap = runtime.block_on(Trap::new());
    let config = ProptestConfig { cases: paths, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&hostile(), |path| {
        runtime.block_on(trap.try_all(&path));
        if trap.tried.fetch_add(1, Ordering::Relaxed).is_multiple_of(100) {
            prop_assert!(trap.is_whole(), "{path:?}");
            runtime.block_on(trap.plant());
        }
        Ok(())
    });
    run.unwrap();
    assert!(trap.tried.load(Ordering::Relaxed) >= paths);
    assert!(trap.is_whole());
}

#[test]
fn ten_thousand_hostile_paths_never_leave_the_home() {
    // Side by side: most of the time goes by in waiting for the disk.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| hold_off(1_250));
        }
    });
}
