//! `sederunt restore`: an archive into an empty store. It is read whole before anything is written.

use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::path::{Path, PathBuf};

use sederunt_core::clock::{Clock as _, SystemClock};
use sederunt_core::store::SystemStore as _;
use sederunt_store::{ArchiveError, verify};
use serde_json::json;

use crate::cli::Settings;
use crate::commands::archive;
use crate::commands::backup::STANDARD;
use crate::commands::progress::Bar;
use crate::commands::table::print;
use crate::config::masked;
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive; - is standard input, which is first copied to the directory for temporary files
    file: PathBuf,
    /// The store to fill, such as sqlite:PATH or postgres://… [default: store.url of the configuration]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Only read the archive and hold it against its hashes
    #[arg(long)]
    verify: bool,
}

pub async fn run(args: Args, settings: Settings, json: bool) -> Result<(), Fault> {
    let config = archive::config(&settings, args.to.as_deref())?;
    let what = || format!("the archive {} cannot be restored", args.file.display());
    let path = args.file.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let bar = Bar::new("reading", json);
        let mut file = open(&path).map_err(ArchiveError::Read)?;
        let rows = verify(BufReader::new(&mut file), &|progress| bar.show(progress))?;
        file.rewind().map_err(ArchiveError::Read)?;
        Ok((file, rows))
    });
    let checked = checked.await.map_err(|e| Fault::io(what(), e))?;
    let (file, rows) = checked.map_err(|error| match &error {
        ArchiveError::Read(why) => Fault::io(what(), why),
        error => archive::fault(what(), error),
    })?;
    if args.verify {
        print(json, &json!({"verified": true, "rows": rows}), || format!("as it was written: {rows} rows and files"));
        return Ok(());
    }
    let target = archive::target(&config).await?;
    let bar = Bar::new("restoring", json);
    bar.expect(Some(rows));
    let archive = BufReader::with_capacity(1 << 20, file);
    let restored =
        target.store.restore(&*target.files, archive, SystemClock.now(), &|progress| bar.show(progress)).await;
    drop(bar);
    target.store.close().await;
    let rows = restored.map_err(|error| archive::fault(what(), &error))?;
    let to = masked(&config.store.url);
    print(json, &json!({"store": to, "rows": rows}), || format!("{to}: {rows} rows and files"));
    Ok(())
}

/// The archive, as a file that can be read twice.
fn open(path: &Path) -> io::Result<File> {
    if path != Path::new(STANDARD) {
        return File::open(path);
    }
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}
