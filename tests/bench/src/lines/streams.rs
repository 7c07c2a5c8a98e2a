//! Streams that are open at once: 1,000 that run for five seconds, and as many as 10,000 that are held.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use sederunt_rig::http::Connection;
use sederunt_rig::server::Server;
use tokio::task::JoinSet;

use crate::bench::{Api, Bench, sessions};
use crate::machine::{cpu, open_files, resident};
use crate::report::Line;

/// Parts of a stream that runs, and the pause before each.
const PARTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// Files that a process needs beside its connections.
const FILES: usize = 200;

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let running = bench.clients.block_on(running(bench, &bench.server(&bench.data("running")?)?))?;
    let held = bench.clients.block_on(held(bench, &bench.server(&bench.data("held")?)?))?;
    Ok(vec![running, held])
}

async fn running(bench: &Bench, server: &Server) -> Result<Line> {
    let count = bench.amount(1_000, 20);
    let api = Api::of(server)?;
    let rids = sessions(server, count, 16).await?;
    let before = cpu(server.pid())?;
    let began = Instant::now();
    let each = rids.iter().map(|rid| {
        let request = api.say(rid, "paced", true);
        async move {
            let mut connection = Connection::open(server.address).await?;
            let mut reply = connection.begin(&request).await?;
            ensure!(reply.status == 200, "{}", reply.status);
            let (mut parts, mut first) = (0, Duration::ZERO);
            while reply.chunk().await?.is_some() {
                parts += 1;
                first = if parts == 1 { began.elapsed() } else { first };
            }
            ensure!(parts == PARTS, "a stream of {parts} parts");
            Ok((first, began.elapsed()))
        }
    });
    let (firsts, ends): (Vec<_>, Vec<_>) = try_join_all(each).await?.into_iter().unzip();
    let (first, last) = (firsts.into_iter().max().unwrap_or_default(), ends.into_iter().max().unwrap_or_default());
    let busy = cpu(server.pid())?.saturating_sub(before);
    let limit = Duration::from_millis(5_200);
    Ok(Line {
        what: format!("{count} open streams of {PARTS} parts, {} ms apart: the last ends after", PAUSE.as_millis()),
        ours: format!(
            "{:.2} s (all speak after {:.2} s; {:.1} s of CPU)",
            last.as_secs_f64(),
            first.as_secs_f64(),
            busy.as_secs_f64()
        ),
        yardstick: format!(
            "without any work: {:.2} s ({:.2} s)",
            (PAUSE * PARTS as u32).as_secs_f64(),
            PAUSE.as_secs_f64()
        ),
        result: format!("{:.2} s", last.as_secs_f64()),
        budget: "≤ 5.2 s".to_owned(),
        kept: Some(last <= limit),
    })
}

async fn held(bench: &Bench, server: &Server) -> Result<Line> {
    let count = bench.amount(10_000, 50).min(open_files().saturating_sub(FILES));
    let api = Api::of(server)?;
    let rids = sessions(server, count, 64).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = resident(server.pid())?;
    // Each stream is owned by a task that lives until the set is dropped.
    let mut open = JoinSet::new();
    for rids in rids.chunks(500) {
        let opened = rids.iter().map(|rid| {
            let request = api.say(rid, "held", true);
            async move {
                let mut connection = Connection::open(server.address).await?;
                let mut reply = connection.begin(&request).await?;
                ensure!(reply.status == 200, "{}", reply.status);
                reply.chunk().await?.context("a held stream ended")?;
                Ok(connection)
            }
        });
        for connection in try_join_all(opened).await? {
            open.spawn(async move {
                std::future::pending::<()>().await;
                drop(connection);
            });
        }
    }
    tokio::time::sleep(Duration::from_secs(bench.amount(3, 1) as u64)).await;
    let after = resident(server.pid())?;
    let each = after.saturating_sub(before) as f64 / count as f64 / 1024.0;
    Ok(Line {
        what: format!("{count} streams held open, memory of each"),
        ours: format!("{each:.1} KiB"),
        yardstick: format!("before them: {:.0} MiB", before as f64 / f64::from(1 << 20)),
        result: format!("{each:.1} KiB"),
        budget: "≤ 25 KiB".to_owned(),
        kept: Some(each <= 25.0),
    })
}
