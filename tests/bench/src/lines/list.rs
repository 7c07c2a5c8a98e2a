//! A page of 100 by most recently updated, of an owner with a million sessions, beside the same of one with 10,000: the
//! first page, and one in the middle that a walk has come to.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use sederunt_rig::http::Connection;
use sederunt_rig::server::Server;

use crate::bench::{Api, Bench};
use crate::report::{Line, ms, percentile};

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let (few, many) = (bench.amount(10_000, 1_000), bench.amount(1_000_000, 2_000));
    let small = bench.server(&bench.filled(bench.data("list")?, few)?)?;
    let large = bench.server(bench.many()?)?;
    compare(bench, "list", (&small, few), (&large, many))
}

/// The same pages of one server with few sessions and one with many, which must take about as long.
pub fn compare(bench: &Bench, what: &str, small: (&Server, usize), large: (&Server, usize)) -> Result<Vec<Line>> {
    let ((small, few), (large, many)) = (small, large);
    bench.clients.block_on(async {
        let mut lines = Vec::new();
        let mut small_connection = Connection::open(small.address).await?;
        let mut large_connection = Connection::open(large.address).await?;
        for (page, deep) in [("first page", false), ("page in the middle", true)] {
            let small_request = request(small, &mut small_connection, if deep { few / 200 } else { 0 }).await?;
            let large_request = request(large, &mut large_connection, if deep { many / 200 } else { 0 }).await?;
            let (mut small_times, mut large_times) = (Vec::new(), Vec::new());
            // The first rounds fill caches on both sides.
            let rounds = bench.amount(500, 20);
            for round in 0..rounds + 20 {
                let small = timed(&mut small_connection, &small_request).await?;
                let large = timed(&mut large_connection, &large_request).await?;
                if round >= 20 {
                    small_times.push(small);
                    large_times.push(large);
                }
            }
            let (small, large) = (percentile(&mut small_times, 50), percentile(&mut large_times, 50));
            let ratio = large.as_secs_f64() / small.as_secs_f64();
            lines.push(Line {
                what: format!("{what} 100 of {many}, {page}, p50"),
                ours: ms(large),
                yardstick: format!("of {few}: {}", ms(small)),
                result: format!("{ratio:.2}"),
                budget: "≤ 1.3".to_owned(),
                kept: Some(ratio <= 1.3),
            });
        }
        Ok(lines)
    })
}

/// What asks for the page after `pages` pages.
async fn request(server: &Server, connection: &mut Connection, pages: usize) -> Result<Bytes> {
    let api = Api::of(server)?;
    let mut token: Option<String> = None;
    for _ in 0..pages {
        let page = connection.ask(&api.list(token.as_deref())).await?.json();
        token = page["nextPageToken"].as_str().map(str::to_owned);
        ensure!(token.is_some(), "the walk ended early");
    }
    Ok(api.list(token.as_deref()))
}

async fn timed(connection: &mut Connection, request: &[u8]) -> Result<Duration> {
    let began = Instant::now();
    let answer = connection.ask(request).await?;
    let took = began.elapsed();
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(took)
}
