//! A backup straight into a restore: from one store into another, with nothing in between but a few lines.

use std::io::{self, BufRead, Read};
use std::sync::OnceLock;

use bytes::{Buf as _, Bytes};
use sederunt_core::blob::Blobs;
use sederunt_core::clock::Time;
use tokio::sync::mpsc::{self, Receiver};

use super::{ArchiveError, Progress, Told};
use crate::SqlStore;

/// Chunks of lines on their way.
const AHEAD: usize = 16;

impl SqlStore {
    /// Fills the empty store `to`, and `to_blobs`, with all that is in this one and in `blobs`; how many rows, files and
    /// folders. One that was cut short is gone on from, if what it had moved is still as it was. Nothing changes here; what
    /// is written here meanwhile is not moved.
    pub async fn move_to(
        &self,
        blobs: Option<&dyn Blobs>,
        (to, to_blobs): (&SqlStore, &dyn Blobs),
        now: Time,
        told: Told<'_>,
    ) -> Result<u64, ArchiveError> {
        let (sender, lines) = mpsc::channel(AHEAD);
        // How many rows there are is known where they are read, how many are done where they are written.
        let of = OnceLock::new();
        let read = async {
            let read = self.back_up(blobs, &sender, &|progress| _ = of.set(progress.of)).await;
            drop(sender);
            read
        };
        let told = |progress: Progress| told(Progress { of: of.get().copied().flatten(), ..progress });
        let (read, written) = tokio::join!(read, to.restore(to_blobs, Lines::new(lines), now, &told));
        match read {
            // The one that writes says why it takes no more.
            Ok(_) | Err(ArchiveError::Stopped) => written,
            Err(error) => Err(error),
        }
    }
}

/// Chunks of lines that come from a task, for a thread that reads.
struct Lines {
    chunks: Receiver<Bytes>,
    chunk: Bytes,
}

impl Lines {
    fn new(chunks: Receiver<Bytes>) -> Self {
        Self { chunks, chunk: Bytes::new() }
    }
}

impl BufRead for Lines {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => break,
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, read: usize) {
        self.chunk.advance(read);
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut from = self.fill_buf()?;
        let read = from.read(into)?;
        self.consume(read);
        Ok(read)
    }
}
