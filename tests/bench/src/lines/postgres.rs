//! PostgreSQL: sessions and turns by 256 clients over HTTP, by one node and by three, beside the same statements sent raw;
//! what of it is the database's work; what a turn alone waits for; a page of a million.

use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use sederunt_core::clock::{Clock as _, SystemClock};
use sederunt_core::session::Session;
use sederunt_rig::http::Connection;
use sederunt_rig::server::Server;
use sederunt_store::{Driver, Postgres, PostgresOptions, SqlStore};

use super::list;
use crate::bench::{Api, Bench, sessions};
use crate::drive::{self, Drive, Stretch};
use crate::machine::cpu;
use crate::raw::{Grouped, Raw, Sent};
use crate::report::{Line, median, ms, per_second, percentile};
use crate::world::World;

/// Clients, and tasks.
const CLIENTS: usize = 256;
/// Connections of each node, of the driver alone and of the yardstick.
const CONNECTIONS: usize = 16;
/// What is said; the echo agent answers the same.
const TEXT: &str = "What do we have in stock, and when does the next delivery come?";

pub fn measure(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = loads(bench)?;
    lines.push(alone(bench)?);
    lines.extend(lists(bench)?);
    Ok(lines)
}

/// A cluster of three, and what stands beside it on databases of their own.
struct Side {
    nodes: Vec<Server>,
    /// One whose connections keep their statements planned.
    planned: Server,
    driver: World,
    named: World,
    unnamed: World,
    grouped: World,
}

impl Side {
    fn start(bench: &Bench) -> Result<Self> {
        let postgres = bench.postgres()?;
        let url = postgres.fresh()?;
        let nodes = ["one", "two", "three"].map(|name| bench.node(&url, name, &[]));
        let world = |open: fn(&Bench, &str) -> Result<Arc<dyn Driver>>| {
            let url = postgres.fresh()?;
            let server = bench.node(&url, "made", &[])?;
            let agent = server.agent("echo")?.to_owned();
            server.kill()?;
            World::over(Arc::new(SqlStore::new(open(bench, &url)?)), &agent)
        };
        Ok(Self {
            nodes: nodes.into_iter().collect::<Result<_>>()?,
            planned: bench.node(&postgres.fresh()?, "planned", &["store.named_statements=true"])?,
            driver: world(|bench, url| Ok(Arc::new(bench.stores.block_on(driver(url))?)))?,
            named: world(|bench, url| {
                Ok(Arc::new(bench.stores.block_on(Raw::connect(url, CONNECTIONS, Sent::Named))?))
            })?,
            unnamed: world(|bench, url| {
                Ok(Arc::new(bench.stores.block_on(Raw::connect(url, CONNECTIONS, Sent::Unnamed))?))
            })?,
            grouped: world(|bench, url| Ok(Arc::new(bench.stores.block_on(Grouped::connect(url))?)))?,
        })
    }
}

async fn driver(url: &str) -> Result<Postgres> {
    let options = PostgresOptions { connections: CONNECTIONS, ..PostgresOptions::default() };
    Ok(Postgres::connect(url, options).await?)
}

/// What one kind of request came to, stretch by stretch.
#[derive(Default)]
struct Rates {
    one: Vec<f64>,
    three: Vec<f64>,
    planned: Vec<f64>,
    driver: Vec<f64>,
    unnamed: Vec<f64>,
    named: Vec<f64>,
    grouped: Vec<f64>,
    node_cpu: Vec<f64>,
    database_cpu: Vec<f64>,
}

fn loads(bench: &Bench) -> Result<Vec<Line>> {
    let side = Side::start(bench)?;
    let mut lines = Vec::new();
    for (what, is_turn) in [("make a session", false), ("a turn, script model", true)] {
        let mut one = clients(bench, &side.nodes[..1], is_turn)?;
        let mut three = clients(bench, &side.nodes, is_turn)?;
        let mut planned = clients(bench, slice::from_ref(&side.planned), is_turn)?;
        let own = |world: &World| own(bench, world);
        let (driven, unnamed) = (own(&side.driver)?, own(&side.unnamed)?);
        let (named, grouped) = (own(&side.named)?, own(&side.grouped)?);
        let store = |world: &World, own: &Arc<Vec<Session>>| stretch(bench, world, own, is_turn);
        let mut rates = Rates::default();
        // The first round warms everything up.
        for round in 0..=bench.pairs() {
            let before = (cpu(side.nodes[0].pid())?, bench.postgres()?.cpu()?);
            let by_one = bench.clients.block_on(one.run(bench.stretch()))?;
            let after = (cpu(side.nodes[0].pid())?, bench.postgres()?.cpu()?);
            let by_three = bench.clients.block_on(three.run(bench.stretch()))?;
            let by_planned = bench.clients.block_on(planned.run(bench.stretch()))?;
            let by_driver = store(&side.driver, &driven)?;
            let by_unnamed = store(&side.unnamed, &unnamed)?;
            let by_named = store(&side.named, &named)?;
            let by_group = store(&side.grouped, &grouped)?;
            if round > 0 {
                rates.one.push(by_one.rate);
                rates.three.push(by_three.rate);
                rates.planned.push(by_planned.rate);
                rates.driver.push(by_driver.rate);
                rates.unnamed.push(by_unnamed.rate);
                rates.named.push(by_named.rate);
                rates.grouped.push(by_group.rate);
                let each = |time: Duration| time.as_secs_f64() * 1e6 / by_one.answers as f64;
                rates.node_cpu.push(each(after.0.saturating_sub(before.0)));
                rates.database_cpu.push(each(after.1.saturating_sub(before.1)));
            }
        }
        lines.extend(of(&format!("PostgreSQL: {what}, durable, {CLIENTS} clients"), &rates));
    }
    Ok(lines)
}

/// Clients that each ask one of the nodes.
fn clients(bench: &Bench, nodes: &[Server], is_turn: bool) -> Result<Drive> {
    bench.clients.block_on(async {
        let mut all = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let api = Api::of(node)?;
            let share = CLIENTS / nodes.len() + usize::from(at < CLIENTS % nodes.len());
            let requests: Vec<Bytes> = if is_turn {
                sessions(node, share, 16).await?.iter().map(|rid| api.say(rid, TEXT, false)).collect()
            } else {
                vec![api.create(); share]
            };
            all.extend(requests.into_iter().map(|request| (node.address, vec![request])));
        }
        Drive::open_each(all).await
    })
}

/// A session for each task.
fn own(bench: &Bench, world: &World) -> Result<Arc<Vec<Session>>> {
    let own: Vec<_> = (0..CLIENTS).map(|_| world.session(SystemClock.now(), Duration::from_secs(86_400))).collect();
    bench.stores.block_on(async {
        for session in &own {
            world.store.insert_session(session, None).await?;
        }
        anyhow::Ok(())
    })?;
    Ok(Arc::new(own))
}

/// The transactions alone, by as many tasks.
fn stretch(bench: &Bench, world: &World, own: &Arc<Vec<Session>>, is_turn: bool) -> Result<Stretch> {
    let (world, own) = (world.clone(), Arc::clone(own));
    let work = drive::tasks(CLIENTS, bench.stretch(), move |task| {
        let (world, own) = (world.clone(), Arc::clone(&own));
        async move {
            if is_turn {
                return world.turn(&own[task], TEXT, TEXT).await;
            }
            let session = world.session(SystemClock.now(), Duration::from_secs(86_400));
            world.store.insert_session(&session, None).await?;
            Ok(())
        }
    });
    bench.stores.block_on(bench.stores.spawn(work))?
}

fn of(what: &str, rates: &Rates) -> Vec<Line> {
    let line = |what: String, ours: &[f64], yardstick: &str, other: &[f64]| Line {
        what,
        ours: per_second(median(ours.to_vec())),
        yardstick: format!("{yardstick}: {}", per_second(median(other.to_vec()))),
        result: format!("{:.2}", median(ours.iter().zip(other).map(|(ours, other)| ours / other).collect())),
        budget: String::new(),
        kept: None,
    };
    let (node, database) = (median(rates.node_cpu.clone()), median(rates.database_cpu.clone()));
    vec![
        line(what.to_owned(), &rates.one, "the same statements raw", &rates.unnamed),
        line(format!("{what}: the driver alone"), &rates.driver, "the same statements raw", &rates.unnamed),
        line(format!("{what}: named statements"), &rates.planned, "without names", &rates.one),
        line(format!("{what}: raw, named"), &rates.named, "raw, without names", &rates.unnamed),
        line(format!("{what}: raw, what waits together"), &rates.grouped, "raw, each by itself", &rates.unnamed),
        line(format!("{what}, three nodes"), &rates.three, "one node", &rates.one),
        Line {
            what: format!("{what}: processor time"),
            ours: format!("{node:.0} µs of the node"),
            yardstick: format!("{database:.0} µs of the database"),
            result: format!("{:.2} the database's", database / (node + database)),
            budget: String::new(),
            kept: None,
        },
    ]
}

/// One client's turns, beside the transactions of turns alone: how long one waits, and how much of it for the database.
fn alone(bench: &Bench) -> Result<Line> {
    let url = bench.postgres()?.fresh()?;
    let node = bench.node(&url, "alone", &[])?;
    let world =
        World::over(Arc::new(SqlStore::new(Arc::new(bench.stores.block_on(driver(&url))?))), node.agent("echo")?)?;
    let session = world.session(SystemClock.now(), Duration::from_secs(86_400));
    let rounds = bench.amount(500, 10);
    let (mut ours, mut stored) = (Vec::new(), Vec::new());
    bench.clients.block_on(async {
        world.store.insert_session(&session, None).await?;
        let rid = sessions(&node, 1, 1).await?.concat();
        let request = Api::of(&node)?.say(&rid, TEXT, false);
        let mut connection = Connection::open(node.address).await?;
        for round in 0..rounds + 20 {
            let began = Instant::now();
            let answer = connection.ask(&request).await?;
            let turn = began.elapsed();
            ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
            let began = Instant::now();
            world.turn(&session, TEXT, TEXT).await?;
            if round >= 20 {
                ours.push(turn);
                stored.push(began.elapsed());
            }
        }
        anyhow::Ok(())
    })?;
    let (turn, store) = (percentile(&mut ours, 50), percentile(&mut stored, 50));
    Ok(Line {
        what: "PostgreSQL: a turn, one client, p50".to_owned(),
        ours: ms(turn),
        yardstick: format!("its transactions: {}", ms(store)),
        result: format!("{:.2} the database's", store.as_secs_f64() / turn.as_secs_f64()),
        budget: String::new(),
        kept: None,
    })
}

fn lists(bench: &Bench) -> Result<Vec<Line>> {
    let postgres = bench.postgres()?;
    let (few, many) = (bench.amount(10_000, 1_000), bench.amount(1_000_000, 2_000));
    let filled = |name: &str, count: usize| {
        let url = postgres.fresh()?;
        let node = bench.node(&url, name, &[])?;
        bench.clients.block_on(sessions(&node, 1, 1))?;
        postgres.fill(&url, count)?;
        anyhow::Ok(node)
    };
    let (small, large) = (filled("few", few)?, filled("many", many)?);
    list::compare(bench, "PostgreSQL: list", (&small, few), (&large, many))
}
