//! How long after the upstream's first piece of an answer the client has it, streams relaxed; beside a client that asks
//! the upstream itself. One after another, one clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use sederunt_rig::http::{Connection, request};
use serde_json::json;

use crate::bench::{Api, Bench, sessions};
use crate::report::{Line, ms, percentile};
use crate::upstream::Upstream;

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let upstream = Upstream::start()?;
    let settings = [
        "models.default.provider=openai".to_owned(),
        format!("models.default.base_url=http://{}/v1", upstream.address),
        "models.default.model=bench".to_owned(),
        "store.stream_durability=relaxed".to_owned(),
    ];
    let settings: Vec<String> = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
    let server = bench.start(&bench.data("first-part")?, &settings).run()?;
    let api = Api::of(&server)?;
    let count = bench.amount(300, 5);
    bench.clients.block_on(async {
        let rids = sessions(&server, count, 1).await?;
        let through: Vec<_> = rids.iter().map(|rid| api.say(rid, "hello", true)).collect();
        let body = json!({"model": "bench", "stream": true, "messages": [{"role": "user", "content": "hello"}]});
        let straight = vec![request("POST", "/v1/chat/completions", "none", None, Some(&body)); count];
        let mut ours = times(&upstream, server.address, &through, 0).await?;
        // Straight from the upstream, an empty piece comes first.
        let mut alone = times(&upstream, upstream.address, &straight, 1).await?;
        let tail = percentile(&mut ours, 99);
        let (ours, alone) = (percentile(&mut ours, 50), percentile(&mut alone, 50));
        Ok(vec![Line {
            what: "first part of a streamed reply after the upstream's, p50".to_owned(),
            ours: format!("{} (p99 {})", ms(ours), ms(tail)),
            yardstick: format!("straight from the upstream: {}", ms(alone)),
            result: ms(ours),
            budget: "≤ 1 ms".to_owned(),
            kept: Some(ours <= Duration::from_millis(1)),
        }])
    })
}

/// From the upstream's first piece to the client's, after `skip` chunks.
async fn times(upstream: &Upstream, address: SocketAddr, requests: &[Bytes], skip: usize) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    for request in requests {
        let mut reply = connection.begin(request).await?;
        let mut came = Vec::new();
        while let Some(_chunk) = reply.chunk().await? {
            came.push(Instant::now());
        }
        let spoke = upstream.spoke().context("the upstream was not asked")?;
        times.push(came.get(skip).context("the answer was empty")?.saturating_duration_since(spoke));
    }
    Ok(times)
}
