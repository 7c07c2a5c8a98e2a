//! Files are never held in memory: the process does not grow with them. Alone in its process, since it reads the
//! process's own peak.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what goes wrong fails the test")]

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use sederunt_core::blob::{BlobPath, Blobs as _, Home, Room};
use sederunt_core::clock::Time;
use sederunt_core::id::{SessionId, TenantId};
use sederunt_store::Folder;
use uuid::Uuid;

const MIB: u64 = 1 << 20;

/// The most memory that the process had so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn fifty_megabytes_up_and_down_leave_memory_flat() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path(), false).unwrap();
    let home = Home { tenant: TenantId::from("acme"), session: SessionId(Uuid::from_u128(1)) };
    let (room, path) = (Room { file: 50 * MIB, home: 50 * MIB, entries: 2 }, "sub/large".parse::<BlobPath>().unwrap());
    let before = peak();
    let content = stream::iter((0..800u32).map(|n| Ok(Bytes::from(vec![n as u8; 1 << 16]))));
    let written = folder.put(&home, &path, content.boxed(), room, Time::from_nanos(0)).await.unwrap();
    let mut blob = folder.get(&home, &path).await.unwrap();
    let mut read = 0;
    while let Some(chunk) = blob.content.next().await {
        read += chunk.unwrap().len() as u64;
    }
    assert_eq!((written, blob.size, read), (50 * MIB, 50 * MIB, 50 * MIB));
    let grown = peak() - before;
    assert!(grown < 4 * MIB, "the process grew by {grown} bytes");
}
