//! `sederunt backup`: all that a store holds as one file, taken beside the servers that have it open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sederunt_core::store::SystemStore as _;
use sederunt_store::ArchiveError;
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver};

use crate::cli::Settings;
use crate::commands::archive::{self, Source};
use crate::commands::progress::Bar;
use crate::commands::table::print;
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive to write, which must not be there yet; - is standard output
    file: PathBuf,
    /// The store to back up, such as sqlite:PATH or postgres://… [default: store.url of the configuration]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
}

/// Chunks of lines that wait for the disk.
const AHEAD: usize = 16;

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    let config = archive::config(&settings, args.from.as_deref())?;
    let output = Output::open(&args.file)?;
    let source = Source::open(&config).await?;
    let (sender, lines) = mpsc::channel(AHEAD);
    // Ends when the sender is gone, or when nothing can be written any more.
    let writing = tokio::task::spawn_blocking(move || output.write(lines));
    let bar = Bar::new("backing up", json);
    let read = source.store.back_up(source.files.as_deref(), &sender, &|progress| bar.show(progress)).await;
    drop((sender, bar));
    source.store.close().await;
    let what = || format!("the archive {} cannot be written", args.file.display());
    let written = writing.await.map_err(|e| Fault::io(what(), e))?;
    let rows = match (read, written) {
        (Ok(rows), Ok(output)) => output.keep().map(|()| rows).map_err(|e| Fault::io(what(), e))?,
        // The one that writes says why it takes no more.
        (Err(ArchiveError::Stopped) | Ok(_), Err(error)) => return Err(Fault::io(what(), error)),
        (Err(error), _) => return Err(archive::fault(what(), &error)),
    };
    if args.file != Path::new(STANDARD) {
        let done = json!({"file": args.file, "rows": rows});
        print(json, &done, || format!("{}: {rows} rows and files", args.file.display()));
    }
    Ok(())
}

/// Standard output, or standard input.
pub const STANDARD: &str = "-";

/// Where an archive goes.
enum Output {
    Standard,
    /// A file that gets its name once it is whole.
    File(Draft),
}

struct Draft {
    file: File,
    part: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Output {
    fn open(path: &Path) -> Result<Self, Fault> {
        if path == Path::new(STANDARD) {
            return Ok(Self::Standard);
        }
        let what = || format!("the archive {} cannot be written", path.display());
        if path.exists() {
            return Err(Fault::config(what(), "there is such a file already", "name another one, or remove it first"));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Who can read it knows every conversation.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(|e| Fault::io(what(), e))?;
        Ok(Self::File(Draft { file, part, path: path.to_owned(), kept: false }))
    }

    fn write(mut self, mut lines: Receiver<Bytes>) -> io::Result<Self> {
        while let Some(chunk) = lines.blocking_recv() {
            match &mut self {
                Self::Standard => io::stdout().write_all(&chunk)?,
                Self::File(draft) => draft.file.write_all(&chunk)?,
            }
        }
        match &mut self {
            Self::Standard => io::stdout().flush()?,
            Self::File(draft) => draft.file.sync_all()?,
        }
        Ok(self)
    }

    /// Gives the file its name.
    fn keep(self) -> io::Result<()> {
        let Self::File(mut draft) = self else { return Ok(()) };
        fs::rename(&draft.part, &draft.path)?;
        draft.kept = true;
        let folder = draft.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What is left of it is in nobody's way: the next one begins it anew.
            _ = fs::remove_file(&self.part);
        }
    }
}
