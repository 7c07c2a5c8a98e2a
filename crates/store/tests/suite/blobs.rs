//! The files of sessions: written whole or not at all, listed by name, bounded, and never outside of their home.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use proptest::prelude::*;
use sederunt_core::blob::{Blob, BlobPath, Blobs as _, Entry, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::error::{Conflict, Error, Kind, Reason, Result};
use sederunt_core::id::{SessionId, TenantId};
use sederunt_core::page::{Order, Slice};
use sederunt_store::Folder;
use tempfile::TempDir;
use uuid::Uuid;

use crate::world::at;

const WIDE: Room = Room { file: 1 << 20, home: 10 << 20, entries: 1_000 };

/// The files in a data directory of their own, and one session's home.
struct Cabinet {
    folder: Folder,
    home: Home,
    data: PathBuf,
    ground: TempDir,
}

impl Cabinet {
    fn new() -> Self {
        Self::that_is(true)
    }

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
        self.put_within(to, content, WIDE).await
    }

    async fn put_within(&self, to: &str, content: &'static str, room: Room) -> Result<u64> {
        self.folder.put(&self.home, &path(to), once(content), room, at(0)).await
    }

    async fn text(&self, of: &str) -> Result<String> {
        text(self.folder.get(&self.home, &path(of)).await?).await
    }

    async fn entries(&self, of: &str) -> Result<Vec<Entry>> {
        Ok(self.folder.list(&self.home, &path(of), &all()).await?.items)
    }

    async fn names(&self, of: &str) -> Vec<String> {
        self.entries(of).await.unwrap().into_iter().map(|entry| entry.name).collect()
    }

    fn is_idle(&self) -> bool {
        std::fs::read_dir(self.data.join("blobs/.work")).unwrap().next().is_none()
    }
}

fn home(session: u128) -> Home {
    Home { tenant: TenantId::from("acme"), session: SessionId(Uuid::from_u128(session)) }
}

fn path(text: &str) -> BlobPath {
    text.parse().unwrap()
}

fn once(content: &'static str) -> BoxStream<'static, Result<Bytes>> {
    stream::iter([Ok(Bytes::from_static(content.as_bytes()))]).boxed()
}

/// As much as was asked for, then an error.
fn broken_after(content: &'static str) -> BoxStream<'static, Result<Bytes>> {
    once(content).chain(stream::iter([Err(Error::malformed("body", "it broke"))])).boxed()
}

async fn text(blob: Blob) -> Result<String> {
    let chunks: Vec<Bytes> = blob.content.try_collect().await?;
    let bytes = chunks.concat();
    assert_eq!(bytes.len() as u64, blob.size);
    Ok(String::from_utf8(bytes).unwrap())
}

fn all() -> Slice<String> {
    Slice { order: Order::OldestFirst, after: None, before: None, limit: 1_000 }
}

#[track_caller]
fn is_missing<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::NotFound { kind: Kind::Blob, .. })), "{result:?}");
}

#[track_caller]
fn is_not_allowed<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Invalid { reason: Reason::NotAllowed(_), .. })), "{result:?}");
}

#[track_caller]
fn is_too_large<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    assert!(
        matches!(&result, Err(Error::Invalid { param, reason: Reason::TooLarge(_) }) if param == what),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_written_last() {
    let cabinet = Cabinet::new();
    assert_eq!(cabinet.put("data/deep/a.txt", "first").await.unwrap(), 5);
    assert_eq!(cabinet.put("/data/./deep/a.txt", "2nd").await.unwrap(), 3);
    assert_eq!(cabinet.text("data/deep/a.txt").await.unwrap(), "2nd");
    assert_eq!(cabinet.put("empty", "").await.unwrap(), 0);
    assert_eq!(cabinet.text("empty").await.unwrap(), "");
    let entry = cabinet.folder.stat(&cabinet.home, &path("data/deep/a.txt")).await.unwrap();
    assert_eq!(entry, Entry { name: "a.txt".into(), size: 3, is_folder: false, modified: at(0) });
    let entry = cabinet.folder.stat(&cabinet.home, &path("data")).await.unwrap();
    assert_eq!(entry, Entry { name: "data".into(), size: 0, is_folder: true, modified: at(0) });
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn a_file_larger_than_any_chunk_comes_back_whole() {
    let cabinet = Cabinet::new();
    let content: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    let pieces: Vec<_> = content.chunks(7_777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let written = cabinet.folder.put(&cabinet.home, &path("a"), stream::iter(pieces).boxed(), WIDE, at(0)).await;
    assert_eq!(written.unwrap(), 700_000);
    let blob = cabinet.folder.get(&cabinet.home, &path("a")).await.unwrap();
    let read: Vec<Bytes> = blob.content.try_collect().await.unwrap();
    assert!(read.concat() == content);
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_what_was_there() {
    let cabinet = Cabinet::new();
    cabinet.put("a", "kept").await.unwrap();
    for to in ["a", "b"] {
        let broken = cabinet.folder.put(&cabinet.home, &path(to), broken_after("half"), WIDE, at(1)).await;
        assert!(matches!(broken, Err(Error::Invalid { .. })));
    }
    assert_eq!(cabinet.text("a").await.unwrap(), "kept");
    assert_eq!(cabinet.names(".").await, ["a"]);
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn an_upload_that_nobody_waits_for_any_more_leaves_nothing() {
    let cabinet = Cabinet::new();
    cabinet.put("a", "kept").await.unwrap();
    let (sent, heard) = tokio::sync::oneshot::channel();
    let content = once("half").chain(stream::once(async move {
        _ = sent.send(());
        std::future::pending::<Result<Bytes>>().await
    }));
    let (to, room) = (path("a"), Room { file: 10, home: 10, entries: 1 });
    let upload = cabinet.folder.put(&cabinet.home, &to, content.boxed(), room, at(1));
    tokio::select! {
        _ = upload => panic!("it ended"),
        heard = heard => heard.unwrap(),
    }
    assert_eq!(cabinet.text("a").await.unwrap(), "kept");
    // What it had taken of the room is free again.
    cabinet.put_within("a", "0123456789", room).await.unwrap();
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn what_is_read_is_what_was_there_when_reading_began() {
    let cabinet = Cabinet::new();
    cabinet.put("a", "before").await.unwrap();
    let open = cabinet.folder.get(&cabinet.home, &path("a")).await.unwrap();
    cabinet.put("a", "after it").await.unwrap();
    cabinet.folder.delete_all(&cabinet.home).await.unwrap();
    assert_eq!(text(open).await.unwrap(), "before");
}

#[tokio::test]
async fn files_and_folders_are_not_taken_for_each_other() {
    let cabinet = Cabinet::new();
    cabinet.put("sub/a", "1").await.unwrap();
    is_not_allowed(cabinet.text("sub").await);
    is_not_allowed(cabinet.text(".").await);
    is_not_allowed(cabinet.put("sub", "2").await);
    is_not_allowed(cabinet.put("sub/a/below", "2").await);
    is_not_allowed(cabinet.entries("sub/a").await);
    is_missing(cabinet.text("sub/a/below").await);
    is_missing(cabinet.text("sub/b").await);
    is_missing(cabinet.entries("nothing").await);
    is_missing(cabinet.folder.stat(&cabinet.home, &path("nothing")).await);
    let make = async |at_path: &str| cabinet.folder.make_folder(&cabinet.home, &path(at_path), WIDE, at(0)).await;
    make("sub/new/deep").await.unwrap();
    make("sub/new/deep").await.unwrap();
    is_not_allowed(make("sub/a/below").await);
    assert!(matches!(make("sub/a").await, Err(Error::Conflict { kind: Conflict::AlreadyExists, .. })));
    assert_eq!(cabinet.names("sub").await, ["a", "new"]);
    assert_eq!(cabinet.text("sub/a").await.unwrap(), "1");
}

#[tokio::test]
async fn a_folder_is_removed_when_it_is_empty_or_with_all_that_is_in_it() {
    let cabinet = Cabinet::new();
    for to in ["a", "sub/b", "sub/deeper/c"] {
        cabinet.put(to, "1").await.unwrap();
    }
    let remove = async |of: &str, recursive| cabinet.folder.remove(&cabinet.home, &path(of), recursive, at(1)).await;
    assert!(matches!(remove("sub", false).await, Err(Error::Conflict { kind: Conflict::InUse, .. })));
    is_missing(remove("nothing", true).await);
    is_not_allowed(remove(".", true).await);
    remove("a", true).await.unwrap();
    is_missing(remove("a", false).await);
    remove("sub/deeper/c", false).await.unwrap();
    remove("sub/deeper", false).await.unwrap();
    remove("sub", true).await.unwrap();
    assert_eq!(cabinet.names(".").await, [""; 0]);
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn a_home_that_was_never_written_to_is_empty() {
    let cabinet = Cabinet::new();
    assert_eq!(cabinet.entries(".").await.unwrap(), []);
    is_missing(cabinet.text("a").await);
    is_missing(cabinet.folder.remove(&cabinet.home, &path("a"), true, at(0)).await);
    cabinet.folder.delete_all(&cabinet.home).await.unwrap();
    assert_eq!(cabinet.folder.homes(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_home_takes_no_more_than_its_room() {
    let cabinet = Cabinet::new();
    let room = Room { file: 6, home: 10, entries: 3 };
    let put = async |to: &str, content| cabinet.put_within(to, content, room).await;
    is_too_large(put("a", "1234567").await, Room::FILE);
    put("a", "123456").await.unwrap();
    is_too_large(put("b", "12345").await, Room::HOME);
    put("b", "1234").await.unwrap();
    // In place of what is there already there is room.
    put("a", "654321").await.unwrap();
    is_too_large(put("b", "12345").await, Room::HOME);
    put("c", "").await.unwrap();
    is_too_large(put("d", "").await, Room::ENTRIES);
    is_too_large(cabinet.folder.make_folder(&cabinet.home, &path("d"), room, at(0)).await, Room::ENTRIES);
    cabinet.folder.remove(&cabinet.home, &path("a"), false, at(0)).await.unwrap();
    put("b", "123456").await.unwrap();
    is_too_large(put("deep/d", "").await, Room::ENTRIES);
    assert_eq!(cabinet.text("b").await.unwrap(), "123456");
}

#[tokio::test]
async fn uploads_at_the_same_time_share_the_room() {
    let cabinet = Cabinet::new();
    let room = Room { file: 1 << 20, home: 3 << 20, entries: 100 };
    let content = || stream::iter((0..16).map(|_| Ok(Bytes::from(vec![0; 1 << 16])))).boxed();
    let names: Vec<BlobPath> = (0..8).map(|n| path(&format!("file-{n}"))).collect();
    let uploads = names.iter().map(|to| cabinet.folder.put(&cabinet.home, to, content(), room, at(0)));
    let ended = futures_util::future::join_all(uploads).await;
    for refused in ended.into_iter().filter(Result::is_err) {
        is_too_large(refused, Room::HOME);
    }
    let held: u64 = cabinet.entries(".").await.unwrap().iter().map(|entry| entry.size).sum();
    assert!(held <= 3 << 20, "{held}");
    // Nothing stays taken: the rest of the room can be used.
    let left = cabinet.entries(".").await.unwrap().len();
    for n in left..3 {
        cabinet.folder.put(&cabinet.home, &path(&format!("more-{n}")), content(), room, at(0)).await.unwrap();
    }
    is_too_large(cabinet.put_within("one more", "1", room).await, Room::HOME);
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn what_goes_with_a_session_goes_at_once() {
    let cabinet = Cabinet::new();
    cabinet.put("sub/a", "1").await.unwrap();
    cabinet.folder.put(&home(2), &path("a"), once("other"), WIDE, at(0)).await.unwrap();
    cabinet.folder.delete_all(&cabinet.home).await.unwrap();
    assert_eq!(cabinet.entries(".").await.unwrap(), []);
    assert_eq!(text(cabinet.folder.get(&home(2), &path("a")).await.unwrap()).await.unwrap(), "other");
    assert!(!cabinet.on_disk().exists());
    assert!(cabinet.is_idle());
}

#[tokio::test]
async fn every_home_is_found_in_pieces() {
    let cabinet = Cabinet::new();
    let tenants = ["acme", "Acme", "", "../..", "_project", "東京"];
    let homes: Vec<Home> = (0..24)
        .map(|n| Home { tenant: TenantId::from(tenants[n % 6]), session: SessionId(Uuid::from_u128(n as u128)) })
        .collect();
    for home in &homes {
        cabinet.folder.put(home, &path("a"), once("1"), WIDE, at(0)).await.unwrap();
    }
    for limit in [1, 5, 24, 100] {
        let mut found: Vec<Home> = Vec::new();
        loop {
            let piece = cabinet.folder.homes(found.last(), limit).await.unwrap();
            found.extend(piece.iter().cloned());
            if piece.len() < limit as usize {
                break;
            }
        }
        assert_eq!(found.len(), homes.len());
        assert!(homes.iter().all(|home| found.contains(home)));
    }
}

#[tokio::test]
async fn what_a_dead_process_was_writing_is_gone_after_a_start() {
    let cabinet = Cabinet::new();
    cabinet.put("a", "kept").await.unwrap();
    let work = cabinet.data.join("blobs/.work");
    std::fs::write(work.join("0"), "half").unwrap();
    std::fs::create_dir_all(work.join("1/deep")).unwrap();
    let again = Folder::open(&cabinet.data, true).unwrap();
    assert!(cabinet.is_idle());
    assert_eq!(text(again.get(&cabinet.home, &path("a")).await.unwrap()).await.unwrap(), "kept");
}

#[tokio::test]
async fn links_and_pipes_are_neither_shown_nor_followed() {
    let cabinet = Cabinet::new();
    cabinet.put("a", "own").await.unwrap();
    let outside = cabinet.ground.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let disk = cabinet.on_disk();
    symlink(&outside, disk.join("folder")).unwrap();
    symlink(outside.join("secret"), disk.join("file")).unwrap();
    symlink("a", disk.join("near")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, disk.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(cabinet.names(".").await, ["a"]);
    for name in ["folder", "file", "near", "pipe", "folder/secret"] {
        is_missing(cabinet.text(name).await);
        is_missing(cabinet.folder.stat(&cabinet.home, &path(name)).await);
        is_missing(cabinet.folder.remove(&cabinet.home, &path(name), true, at(0)).await);
    }
    is_missing(cabinet.entries("folder").await);
    is_not_allowed(cabinet.put("folder/new", "1").await);
    cabinet.put("file", "mine").await.unwrap();
    assert_eq!(cabinet.text("file").await.unwrap(), "mine");
    cabinet.folder.delete_all(&cabinet.home).await.unwrap();
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
    cabinet: Cabinet,
    outside: BTreeMap<PathBuf, Vec<u8>>,
    tried: AtomicU32,
}

impl Trap {
    async fn new() -> Self {
        let cabinet = Cabinet::that_is(false);
        cabinet.folder.put(&home(2), &path("secret"), once("secret"), WIDE, at(0)).await.unwrap();
        std::fs::create_dir(cabinet.ground.path().join("etc")).unwrap();
        std::fs::write(cabinet.ground.path().join("etc/secret"), "secret").unwrap();
        std::fs::write(cabinet.data.join("secret"), "secret").unwrap();
        let outside = snapshot(cabinet.ground.path(), &cabinet.on_disk());
        let trap = Self { cabinet, outside, tried: AtomicU32::new(0) };
        trap.plant().await;
        trap
    }

    /// Makes the home anew, with the links in it.
    async fn plant(&self) {
        self.cabinet.folder.delete_all(&self.cabinet.home).await.unwrap();
        self.cabinet.put("a/b", "own").await.unwrap();
        let (disk, ground) = (self.cabinet.on_disk(), self.cabinet.ground.path());
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
        let (folder, home) = (&self.cabinet.folder, &self.cabinet.home);
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
        snapshot(self.cabinet.ground.path(), &self.cabinet.on_disk()) == self.outside
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_slice_is_what_it_says_of_the_sorted_names(
        names in prop::collection::btree_set("[a-e]{1,2}", 0..12),
        newest_first in prop::bool::ANY,
        after in prop::option::of("[a-e]{1,2}"),
        before in prop::option::of("[a-e]{1,2}"),
        limit in 1u32..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
        let listed = runtime.block_on(async {
            let cabinet = Cabinet::that_is(false);
            for name in &names {
                cabinet.folder.put(&cabinet.home, &path(name), once(""), WIDE, at(0)).await.unwrap();
            }
            let slice = Slice { order, after: after.clone(), before: before.clone(), limit };
            cabinet.folder.list(&cabinet.home, &path("."), &slice).await.unwrap()
        });
        let mut window: Vec<String> = names.into_iter().collect();
        if newest_first {
            window.reverse();
        }
        let precedes = |a: &String, b: &String| if newest_first { a > b } else { a < b };
        window.retain(|name| after.as_ref().is_none_or(|after| precedes(after, name)));
        window.retain(|name| before.as_ref().is_none_or(|before| precedes(name, before)));
        let more = window.len() > limit as usize;
        if more && before.is_some() && after.is_none() {
            window.drain(..window.len() - limit as usize);
        } else {
            window.truncate(limit as usize);
        }
        let found: Vec<String> = listed.items.into_iter().map(|entry| entry.name).collect();
        prop_assert_eq!(found, window);
        prop_assert_eq!(listed.more, more);
    }
}

#[tokio::test]
async fn times_are_those_that_came_with_the_calls() {
    let cabinet = Cabinet::new();
    let modified = async |of: &str| cabinet.folder.stat(&cabinet.home, &path(of)).await.unwrap().modified;
    let put = async |to: &str, now: Time| cabinet.folder.put(&cabinet.home, &path(to), once("1"), WIDE, now).await;
    put("sub/a", at(10)).await.unwrap();
    put("sub/a", at(20)).await.unwrap();
    assert_eq!((modified("sub/a").await, modified("sub").await, modified(".").await), (at(20), at(20), at(10)));
    cabinet.folder.remove(&cabinet.home, &path("sub/a"), false, at(30)).await.unwrap();
    assert_eq!((modified("sub").await, modified(".").await), (at(30), at(10)));
}
