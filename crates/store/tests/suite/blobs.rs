//! The files of sessions, wherever they are kept: written whole or not at all, listed by name, bounded.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use proptest::prelude::*;
use sederunt_core::blob::{Blob, BlobPath, Blobs, Entry, Home, Room};
use sederunt_core::clock::{SystemTimer, Time};
use sederunt_core::error::{Conflict, Error, Kind, Reason, Result};
use sederunt_core::id::{Ids, SessionId, SystemChance, TenantId};
use sederunt_core::page::{Order, Slice};
use sederunt_core::store::SystemStore as _;
use sederunt_store::{BlobRows, Durability, Folder, Options, SqlStore, Sqlite};
use tempfile::TempDir;
use uuid::Uuid;

use crate::databases::Database;
use crate::world::{at, open};

pub const WIDE: Room = Room { file: 1 << 20, home: 10 << 20, entries: 1_000 };

/// Where files are kept, and one session's home there.
pub struct Cabinet {
    pub blobs: Arc<dyn Blobs>,
    pub home: Home,
    kept: Kept,
}

/// Where its bytes are.
enum Kept {
    Folder { data: PathBuf, _ground: TempDir },
    Sqlite { data: TempDir },
    Postgres { database: Database },
}

/// Tells a story of each place to keep files in.
async fn each(story: impl AsyncFn(&Cabinet)) {
    for cabinet in [Cabinet::folder(), Cabinet::sqlite(), Cabinet::postgres().await] {
        println!("told of {}", cabinet.name());
        story(&cabinet).await;
    }
}

impl Cabinet {
    fn folder() -> Self {
        let ground = tempfile::tempdir().unwrap();
        let data = ground.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let blobs = Arc::new(Folder::open(&data, true).unwrap());
        Self { blobs, home: home(1), kept: Kept::Folder { data, _ground: ground } }
    }

    fn sqlite() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Off, ..Options::default() };
        let store = Sqlite::open(data.path(), options).unwrap();
        Self { blobs: rows(store), home: home(1), kept: Kept::Sqlite { data } }
    }

    async fn postgres() -> Self {
        let database = Database::new().await;
        let store = open(&database).await;
        Self { blobs: rows(store), home: home(1), kept: Kept::Postgres { database } }
    }

    fn name(&self) -> &'static str {
        match self.kept {
            Kept::Folder { .. } => "a folder",
            Kept::Sqlite { .. } => "rows of SQLite",
            Kept::Postgres { .. } => "rows of PostgreSQL",
        }
    }

    async fn put(&self, to: &str, content: &'static str) -> Result<u64> {
        self.put_within(to, content, WIDE).await
    }

    async fn put_within(&self, to: &str, content: &'static str, room: Room) -> Result<u64> {
        self.blobs.put(&self.home, &path(to), once(content), room, at(0)).await
    }

    async fn text(&self, of: &str) -> Result<String> {
        text(self.blobs.get(&self.home, &path(of)).await?).await
    }

    async fn entries(&self, of: &str) -> Result<Vec<Entry>> {
        Ok(self.blobs.list(&self.home, &path(of), &all()).await?.items)
    }

    async fn names(&self, of: &str) -> Vec<String> {
        self.entries(of).await.unwrap().into_iter().map(|entry| entry.name).collect()
    }

    /// Nothing is left of what was being written.
    fn is_idle(&self) -> bool {
        const DRAFTS: &str = "select count(*) from contents where draft = 1";
        match &self.kept {
            Kept::Folder { data, .. } => std::fs::read_dir(data.join("blobs/.work")).unwrap().next().is_none(),
            Kept::Sqlite { data } => {
                let database = rusqlite::Connection::open(data.path().join("sederunt.db")).unwrap();
                database.query_row(DRAFTS, [], |row| row.get::<_, i64>(0)).unwrap() == 0
            }
            Kept::Postgres { database } => database.execute(DRAFTS).trim() == "0",
        }
    }
}

fn rows(store: SqlStore) -> Arc<BlobRows> {
    Arc::new(BlobRows::new(store, Arc::new(SystemTimer::default()), Ids::new(Arc::new(SystemChance))))
}

pub fn home(session: u128) -> Home {
    Home { tenant: TenantId::from("acme"), session: SessionId(Uuid::from_u128(session)) }
}

pub fn path(text: &str) -> BlobPath {
    text.parse().unwrap()
}

pub fn once(content: &'static str) -> BoxStream<'static, Result<Bytes>> {
    stream::iter([Ok(Bytes::from_static(content.as_bytes()))]).boxed()
}

/// As much as was asked for, then an error.
fn broken_after(content: &'static str) -> BoxStream<'static, Result<Bytes>> {
    once(content).chain(stream::iter([Err(Error::malformed("body", "it broke"))])).boxed()
}

pub async fn text(blob: Blob) -> Result<String> {
    let chunks: Vec<Bytes> = blob.content.try_collect().await?;
    let bytes = chunks.concat();
    assert_eq!(bytes.len() as u64, blob.size);
    Ok(String::from_utf8(bytes).unwrap())
}

pub fn all() -> Slice<String> {
    Slice { order: Order::OldestFirst, after: None, before: None, limit: 1_000 }
}

#[track_caller]
pub fn is_missing<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::NotFound { kind: Kind::Blob, .. })), "{result:?}");
}

#[track_caller]
pub fn is_not_allowed<T: std::fmt::Debug>(result: Result<T>) {
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
    each(async |cabinet: &Cabinet| {
        assert_eq!(cabinet.put("data/deep/a.txt", "first").await.unwrap(), 5);
        assert_eq!(cabinet.put("/data/./deep/a.txt", "2nd").await.unwrap(), 3);
        assert_eq!(cabinet.text("data/deep/a.txt").await.unwrap(), "2nd");
        assert_eq!(cabinet.put("empty", "").await.unwrap(), 0);
        assert_eq!(cabinet.text("empty").await.unwrap(), "");
        let entry = cabinet.blobs.stat(&cabinet.home, &path("data/deep/a.txt")).await.unwrap();
        assert_eq!(entry, Entry { name: "a.txt".into(), size: 3, is_folder: false, modified: at(0) });
        let entry = cabinet.blobs.stat(&cabinet.home, &path("data")).await.unwrap();
        assert_eq!(entry, Entry { name: "data".into(), size: 0, is_folder: true, modified: at(0) });
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn a_file_larger_than_any_chunk_comes_back_whole() {
    each(async |cabinet: &Cabinet| {
        let content: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
        let pieces: Vec<_> = content.chunks(7_777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let written = cabinet.blobs.put(&cabinet.home, &path("a"), stream::iter(pieces).boxed(), WIDE, at(0)).await;
        assert_eq!(written.unwrap(), 700_000);
        let blob = cabinet.blobs.get(&cabinet.home, &path("a")).await.unwrap();
        let read: Vec<Bytes> = blob.content.try_collect().await.unwrap();
        assert!(read.concat() == content);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_what_was_there() {
    each(async |cabinet: &Cabinet| {
        cabinet.put("a", "kept").await.unwrap();
        for to in ["a", "b"] {
            let broken = cabinet.blobs.put(&cabinet.home, &path(to), broken_after("half"), WIDE, at(1)).await;
            assert!(matches!(broken, Err(Error::Invalid { .. })));
        }
        assert_eq!(cabinet.text("a").await.unwrap(), "kept");
        assert_eq!(cabinet.names(".").await, ["a"]);
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_nobody_waits_for_any_more_leaves_nothing() {
    each(async |cabinet: &Cabinet| {
        cabinet.put("a", "kept").await.unwrap();
        let (sent, heard) = tokio::sync::oneshot::channel();
        let content = once("half").chain(stream::once(async move {
            _ = sent.send(());
            std::future::pending::<Result<Bytes>>().await
        }));
        let (to, room) = (path("a"), Room { file: 10, home: 10, entries: 1 });
        let upload = cabinet.blobs.put(&cabinet.home, &to, content.boxed(), room, at(1));
        tokio::select! {
            _ = upload => panic!("it ended"),
            heard = heard => heard.unwrap(),
        }
        assert_eq!(cabinet.text("a").await.unwrap(), "kept");
        // What it had taken of the room is free again.
        cabinet.put_within("a", "0123456789", room).await.unwrap();
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn what_is_read_is_what_was_there_when_reading_began() {
    each(async |cabinet: &Cabinet| {
        cabinet.put("a", "before").await.unwrap();
        let open = cabinet.blobs.get(&cabinet.home, &path("a")).await.unwrap();
        cabinet.put("a", "after it").await.unwrap();
        cabinet.blobs.delete_all(&cabinet.home).await.unwrap();
        assert_eq!(text(open).await.unwrap(), "before");
    })
    .await;
}

#[tokio::test]
async fn files_and_folders_are_not_taken_for_each_other() {
    each(async |cabinet: &Cabinet| {
        cabinet.put("sub/a", "1").await.unwrap();
        is_not_allowed(cabinet.text("sub").await);
        is_not_allowed(cabinet.text(".").await);
        is_not_allowed(cabinet.put("sub", "2").await);
        is_not_allowed(cabinet.put("sub/a/below", "2").await);
        is_not_allowed(cabinet.entries("sub/a").await);
        is_missing(cabinet.text("sub/a/below").await);
        is_missing(cabinet.text("sub/b").await);
        is_missing(cabinet.entries("nothing").await);
        is_missing(cabinet.blobs.stat(&cabinet.home, &path("nothing")).await);
        let make = async |at_path: &str| cabinet.blobs.make_folder(&cabinet.home, &path(at_path), WIDE, at(0)).await;
        make("sub/new/deep").await.unwrap();
        make("sub/new/deep").await.unwrap();
        is_not_allowed(make("sub/a/below").await);
        assert!(matches!(make("sub/a").await, Err(Error::Conflict { kind: Conflict::AlreadyExists, .. })));
        assert_eq!(cabinet.names("sub").await, ["a", "new"]);
        assert_eq!(cabinet.text("sub/a").await.unwrap(), "1");
    })
    .await;
}

#[tokio::test]
async fn a_folder_is_removed_when_it_is_empty_or_with_all_that_is_in_it() {
    each(async |cabinet: &Cabinet| {
        for to in ["a", "sub/b", "sub/deeper/c"] {
            cabinet.put(to, "1").await.unwrap();
        }
        let remove = async |of: &str, recursive| cabinet.blobs.remove(&cabinet.home, &path(of), recursive, at(1)).await;
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
    })
    .await;
}

#[tokio::test]
async fn a_home_that_was_never_written_to_is_empty() {
    each(async |cabinet: &Cabinet| {
        assert_eq!(cabinet.entries(".").await.unwrap(), []);
        is_missing(cabinet.text("a").await);
        is_missing(cabinet.blobs.remove(&cabinet.home, &path("a"), true, at(0)).await);
        cabinet.blobs.delete_all(&cabinet.home).await.unwrap();
        assert_eq!(cabinet.blobs.homes(None, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_home_takes_no_more_than_its_room() {
    each(async |cabinet: &Cabinet| {
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
        is_too_large(cabinet.blobs.make_folder(&cabinet.home, &path("d"), room, at(0)).await, Room::ENTRIES);
        cabinet.blobs.remove(&cabinet.home, &path("a"), false, at(0)).await.unwrap();
        put("b", "123456").await.unwrap();
        is_too_large(put("deep/d", "").await, Room::ENTRIES);
        assert_eq!(cabinet.text("b").await.unwrap(), "123456");
    })
    .await;
}

#[tokio::test]
async fn uploads_at_the_same_time_share_the_room() {
    each(async |cabinet: &Cabinet| {
        let room = Room { file: 1 << 20, home: 3 << 20, entries: 100 };
        let content = || stream::iter((0..16).map(|_| Ok(Bytes::from(vec![0; 1 << 16])))).boxed();
        let names: Vec<BlobPath> = (0..8).map(|n| path(&format!("file-{n}"))).collect();
        let uploads = names.iter().map(|to| cabinet.blobs.put(&cabinet.home, to, content(), room, at(0)));
        let ended = futures_util::future::join_all(uploads).await;
        for refused in ended.into_iter().filter(Result::is_err) {
            is_too_large(refused, Room::HOME);
        }
        let held: u64 = cabinet.entries(".").await.unwrap().iter().map(|entry| entry.size).sum();
        assert!(held <= 3 << 20, "{held}");
        // Nothing stays taken: the rest of the room can be used.
        let left = cabinet.entries(".").await.unwrap().len();
        for n in left..3 {
            cabinet.blobs.put(&cabinet.home, &path(&format!("more-{n}")), content(), room, at(0)).await.unwrap();
        }
        is_too_large(cabinet.put_within("one more", "1", room).await, Room::HOME);
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn what_goes_with_a_session_goes_at_once() {
    each(async |cabinet: &Cabinet| {
        cabinet.put("sub/a", "1").await.unwrap();
        cabinet.blobs.put(&home(2), &path("a"), once("other"), WIDE, at(0)).await.unwrap();
        cabinet.blobs.delete_all(&cabinet.home).await.unwrap();
        assert_eq!(cabinet.entries(".").await.unwrap(), []);
        assert_eq!(text(cabinet.blobs.get(&home(2), &path("a")).await.unwrap()).await.unwrap(), "other");
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn every_home_is_found_in_pieces() {
    each(async |cabinet: &Cabinet| {
        let tenants = ["acme", "Acme", "", "../..", "_project", "東京"];
        let homes: Vec<Home> = (0..24)
            .map(|n| Home { tenant: TenantId::from(tenants[n % 6]), session: SessionId(Uuid::from_u128(n as u128)) })
            .collect();
        for home in &homes {
            cabinet.blobs.put(home, &path("a"), once("1"), WIDE, at(0)).await.unwrap();
        }
        for limit in [1, 5, 24, 100] {
            let mut found: Vec<Home> = Vec::new();
            loop {
                let piece = cabinet.blobs.homes(found.last(), limit).await.unwrap();
                found.extend(piece.iter().cloned());
                if piece.len() < limit as usize {
                    break;
                }
            }
            assert_eq!(found.len(), homes.len());
            assert!(homes.iter().all(|home| found.contains(home)));
        }
    })
    .await;
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
        let listed = runtime.block_on(async {
            let mut listed = Vec::new();
            for cabinet in [Cabinet::folder(), Cabinet::sqlite()] {
                for name in &names {
                    cabinet.put(name, "").await.unwrap();
                }
                let slice = Slice { order, after: after.clone(), before: before.clone(), limit };
                listed.push(cabinet.blobs.list(&cabinet.home, &path("."), &slice).await.unwrap());
            }
            listed
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
        for listed in listed {
            let found: Vec<String> = listed.items.into_iter().map(|entry| entry.name).collect();
            prop_assert_eq!(&found, &window);
            prop_assert_eq!(listed.more, more);
        }
    }
}

#[tokio::test]
async fn times_are_those_that_came_with_the_calls() {
    each(async |cabinet: &Cabinet| {
        let modified = async |of: &str| cabinet.blobs.stat(&cabinet.home, &path(of)).await.unwrap().modified;
        let put = async |to: &str, now: Time| cabinet.blobs.put(&cabinet.home, &path(to), once("1"), WIDE, now).await;
        put("sub/a", at(10)).await.unwrap();
        put("sub/a", at(20)).await.unwrap();
        assert_eq!((modified("sub/a").await, modified("sub").await, modified(".").await), (at(20), at(20), at(10)));
        cabinet.blobs.remove(&cabinet.home, &path("sub/a"), false, at(30)).await.unwrap();
        assert_eq!((modified("sub").await, modified(".").await), (at(30), at(10)));
    })
    .await;
}

#[tokio::test]
async fn files_of_several_chunks_are_replaced_removed_and_taken_with_their_folder() {
    each(async |cabinet: &Cabinet| {
        let large = |byte: u8| stream::iter((0..9).map(move |_| Ok(Bytes::from(vec![byte; 100_000])))).boxed();
        for (to, byte) in [("sub/a", 1), ("sub/a", 2), ("sub-b", 3), ("sub/deep/c", 4)] {
            cabinet.blobs.put(&cabinet.home, &path(to), large(byte), WIDE, at(0)).await.unwrap();
        }
        let blob = cabinet.blobs.get(&cabinet.home, &path("sub/a")).await.unwrap();
        let read: Vec<Bytes> = blob.content.try_collect().await.unwrap();
        assert!(read.concat() == vec![2; 900_000]);
        cabinet.blobs.remove(&cabinet.home, &path("sub"), true, at(1)).await.unwrap();
        assert_eq!(cabinet.names(".").await, ["sub-b"]);
        // Only the one that is left takes room.
        let room = Room { file: 900_000, home: 1_800_000, entries: 2 };
        cabinet.blobs.put(&cabinet.home, &path("d"), large(5), room, at(2)).await.unwrap();
        is_too_large(cabinet.put_within("e", "", room).await, Room::ENTRIES);
        is_too_large(
            cabinet.blobs.put(&cabinet.home, &path("d"), large(5), Room { home: 1_700_000, ..room }, at(2)).await,
            Room::HOME,
        );
        assert!(cabinet.is_idle());
    })
    .await;
}

#[tokio::test]
async fn the_longest_path_leads_to_a_file() {
    each(async |cabinet: &Cabinet| {
        let names: Vec<String> = (0..16).map(|n| format!("{n:02}{}", "x".repeat(253))).collect();
        let long = names.join("/").parse::<BlobPath>().unwrap();
        cabinet.blobs.put(&cabinet.home, &long, once("deep"), WIDE, at(0)).await.unwrap();
        assert_eq!(text(cabinet.blobs.get(&cabinet.home, &long).await.unwrap()).await.unwrap(), "deep");
        cabinet.blobs.remove(&cabinet.home, &path(&names[0]), true, at(1)).await.unwrap();
        assert_eq!(cabinet.names(".").await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_file_whose_chunks_were_swept_while_nothing_came_is_not_there() {
    let data = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Off, ..Options::default() };
    let database = Database::new().await;
    for store in [Sqlite::open(data.path(), options).unwrap(), open(&database).await] {
        let blobs = rows(store.clone());
        let (sent, heard) = tokio::sync::oneshot::channel();
        let (go_on, told) = tokio::sync::oneshot::channel::<()>();
        let first = stream::iter([Ok(Bytes::from(vec![1; 300_000]))]);
        let content = first.chain(stream::once(async move {
            _ = sent.send(());
            _ = told.await;
            Ok(Bytes::from_static(b"the rest"))
        }));
        let (home, to) = (home(1), path("a"));
        let upload = blobs.put(&home, &to, content.boxed(), WIDE, at(0));
        let sweep = async {
            heard.await.unwrap();
            // Later than anything that this process's timer says.
            let later = Time::from_nanos(i64::MAX / 2);
            store.sweep(at(0), later, std::time::Duration::from_secs(3600), 100).await.unwrap();
            go_on.send(()).unwrap();
        };
        let (uploaded, ()) = tokio::join!(upload, sweep);
        assert!(matches!(uploaded, Err(Error::Internal(_))), "{uploaded:?}");
        is_missing(blobs.get(&home, &to).await);
    }
}
