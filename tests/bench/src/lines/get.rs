//! Reading a session, authenticated, beside a bare axum handler that returns the same bytes. Stretches of both
//! alternate, so that what else the machine does falls on both.

use std::path::Path;

use anyhow::{Context as _, Result};
use sederunt_rig::http::Connection;

use crate::bare::Bare;
use crate::bench::{Api, Bench};
use crate::drive::Drive;
use crate::machine::cpu;
use crate::report::{Line, median, per_second};

/// Connections.
const CLIENTS: usize = 64;
/// Pages whose sessions are read.
const PAGES: usize = 10;

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let few = bench.amount(10_000, 1_000);
    let small = bench.filled(bench.data("get")?, few)?;
    let small = of(bench, &small, &format!("read a session, {few} stored"))?;
    let many = bench.amount(1_000_000, 2_000);
    let large = of(bench, bench.many()?, &format!("read a session, {many} stored"))?;
    Ok(small.into_iter().chain(large).collect())
}

fn of(bench: &Bench, data: &Path, what: &str) -> Result<Vec<Line>> {
    let server = bench.server(data)?;
    let api = Api::of(&server)?;
    bench.clients.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        let mut rids = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let page = connection.ask(&api.list(token.as_deref())).await?.json();
            let sessions = page["data"].as_array().context("a page of sessions")?;
            rids.extend(sessions.iter().filter_map(|s| s["rid"].as_str()).map(str::to_owned));
            token = page["nextPageToken"].as_str().map(str::to_owned);
        }
        let first = rids.first().context("no session to read")?;
        let bare = Bare::start(&connection.ask(&api.get(first)).await?.text())?;
        let share = rids.len() / CLIENTS;
        let requests: Vec<_> =
            rids.chunks(share.max(1)).take(CLIENTS).map(|rids| rids.iter().map(|rid| api.get(rid)).collect()).collect();
        let mut ours = Drive::open(server.address, requests.clone()).await?;
        let mut theirs = Drive::open(bare.address, requests).await?;
        ours.run(bench.stretch()).await?;
        theirs.run(bench.stretch()).await?;
        let before = (cpu(server.pid())?, cpu(bare.pid())?);
        let (mut rates, mut answers) = (Vec::new(), (0, 0));
        for _ in 0..bench.pairs() {
            let pair = (ours.run(bench.stretch()).await?, theirs.run(bench.stretch()).await?);
            answers = (answers.0 + pair.0.answers, answers.1 + pair.1.answers);
            rates.push((pair.0.rate, pair.1.rate));
        }
        let cost = |now: std::time::Duration, before: std::time::Duration, answers: u64| {
            (now.saturating_sub(before)).as_micros() as f64 / answers.max(1) as f64
        };
        let ours_us = cost(cpu(server.pid())?, before.0, answers.0);
        let bare_us = cost(cpu(bare.pid())?, before.1, answers.1);
        let ratio = median(rates.iter().map(|(ours, bare)| ours / bare).collect());
        Ok(vec![
            Line {
                what: what.to_owned(),
                ours: per_second(median(rates.iter().map(|r| r.0).collect())),
                yardstick: format!("bare axum: {}", per_second(median(rates.iter().map(|r| r.1).collect()))),
                result: format!("{ratio:.2}"),
                budget: "≥ 0.6".to_owned(),
                kept: Some(ratio >= 0.6),
            },
            Line {
                what: format!("{what}: CPU of the server alone"),
                ours: format!("{ours_us:.1} µs each"),
                yardstick: format!("bare axum: {bare_us:.1} µs"),
                result: format!("{:.2}", bare_us / ours_us),
                budget: String::new(),
                kept: None,
            },
        ])
    })
}
