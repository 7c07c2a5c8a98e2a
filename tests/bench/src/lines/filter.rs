//! A page of 100 of an agent with 100,000 sessions, with the exact count of all: unfiltered, and under an equality on
//! metadata that few sessions meet, or half of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use sederunt_rig::http::{Connection, request};
use serde_json::json;

use crate::bench::Bench;
use crate::report::{Line, ms, percentile};

/// The most that a page may take.
const BUDGET: Duration = Duration::from_millis(20);

/// Of how many sessions one has the same customer.
const CUSTOMERS: usize = 100;

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let count = bench.amount(100_000, 1_000);
    let data = bench.filled_with(bench.data("filter")?, count, |number| {
        let metadata = json!({"customer": format!("customer_{:03}", number % CUSTOMERS), "even": number % 2 == 0,
            "profile": {"country": "US"}, "number": number});
        metadata.as_object().cloned().unwrap_or_default()
    })?;
    let server = bench.server(&data)?;
    bench.clients.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        let ask = |query: &str| {
            let path = format!("/v2/agents/echo/sessions?limit=100{query}");
            request("GET", &path, server.token(), None, None)
        };
        let plain = ask("");
        let few = ask("&metadata_filter=customer+%3D+%27customer_042%27");
        let half = ask("&metadata_filter=even+%3D+true");
        let mut times = [const { Vec::new() }; 3];
        // The first rounds fill caches.
        let rounds = bench.amount(300, 10);
        let wanted = [count, count / CUSTOMERS, count / 2];
        for round in 0..rounds + 20 {
            for ((asked, times), total) in [&plain, &few, &half].into_iter().zip(&mut times).zip(wanted) {
                let took = timed(&mut connection, asked, total).await?;
                if round >= 20 {
                    times.push(took);
                }
            }
        }
        let [plain, few, half] = times.each_mut().map(|times| percentile(times, 50));
        let line = |what: String, took: Duration, beside: String| Line {
            what: format!("100 of {what} of {count} by key, with the count, p50"),
            ours: ms(took),
            yardstick: beside,
            result: ms(took),
            budget: format!("≤ {}", ms(BUDGET)),
            kept: Some(took <= BUDGET),
        };
        let beside = || format!("unfiltered: {}", ms(plain));
        Ok(vec![
            line(format!("{} with one customer", count / CUSTOMERS), few, beside()),
            line(format!("{} with one flag", count / 2), half, beside()),
        ])
    })
}

async fn timed(connection: &mut Connection, request: &Bytes, total: usize) -> Result<Duration> {
    let began = Instant::now();
    let answer = connection.ask(request).await?;
    let took = began.elapsed();
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    ensure!(answer.json()["metadata"]["total_count"] == json!(total), "{}", answer.text());
    Ok(took)
}
