//! One connection: opened to the first host that takes writes, ended when it is dropped.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt, poll};
use tokio_postgres::{CancelToken, Client, NoTls, RowStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::address::{Address, Trust};
use super::fault::{Fault, text};
use super::named::Named;
use super::tls::Tls;
use super::values::{declared, row, size};
use super::{DatabaseError, PostgresOptions};
use crate::driver::{Params, Row};

/// The most statements that are sent before their answers are waited for.
const WINDOW: usize = 128;

/// The most bytes of parameters that are.
const WINDOW_BYTES: usize = 1 << 20;

/// Opens connections.
pub(super) struct Opener {
    address: Address,
    tls: Option<Tls>,
    password_file: Option<PathBuf>,
    has_names: bool,
    /// The host that answered last.
    good: AtomicUsize,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opener({})", self.address.names())
    }
}

impl Opener {
    pub(super) fn new(url: &str, options: &PostgresOptions, tasks: TaskTracker) -> Result<Self, DatabaseError> {
        let address = Address::parse(url)?;
        let tls = match address.trust {
            Trust::Plain => None,
            trust => Some(Tls::new(trust, &address.files)?),
        };
        let password_file = options.password_file.clone();
        let has_names = options.named_statements;
        Ok(Self { address, tls, password_file, has_names, good: AtomicUsize::new(0), tasks })
    }

    /// The hosts for people to read.
    pub(super) fn names(&self) -> String {
        self.address.names()
    }

    /// Connects to the first host that takes writes, beginning with the one that did last.
    pub(super) async fn open(&self) -> Result<Connection, Fault> {
        let mut said = Vec::new();
        let mut refused = None;
        let hosts = self.address.hosts.len();
        let first = self.good.load(Ordering::Relaxed);
        for at in (first..first + hosts).map(|at| at % hosts) {
            let Some((name, config)) = self.address.hosts.get(at) else { continue };
            match self.open_to(config).await {
                Ok(connection) => {
                    self.good.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(fault @ (Fault::Unable { .. } | Fault::Wrong(_))) => refused = Some(fault),
                Err(Fault::Lost(lost)) => said.push(format!("{name}: {}", lost.what)),
                Err(Fault::Raced(what)) => said.push(format!("{name}: {what}")),
            }
        }
        match refused {
            Some(fault) if said.is_empty() => Err(fault),
            Some(Fault::Unable { what, .. } | Fault::Wrong(what)) => {
                said.push(what);
                Err(Fault::lost("the database cannot be reached", said.join("; ")))
            }
            _ => Err(Fault::lost("the database cannot be reached", said.join("; "))),
        }
    }

    async fn open_to(&self, config: &tokio_postgres::Config) -> Result<Connection, Fault> {
        let mut config = config.clone();
        match &self.password_file {
            Some(file) => {
                let read = tokio::fs::read_to_string(file).await;
                let unreadable = |error| Fault::Unable {
                    reason: "the database's password cannot be read",
                    what: format!("{}: {error}", file.display()),
                };
                config.password(read.map_err(unreadable)?.trim_end_matches(['\r', '\n']));
            }
            None if config.get_password().is_none() => {
                std::env::var("PGPASSWORD").ok().map(|password| config.password(password));
            }
            None => {}
        }
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let connecting = async {
            // The two arms differ only in the type of what is driven.
            match &self.tls {
                None => {
                    let (client, driven) = config.connect(NoTls).await?;
                    self.tasks.spawn(drive(driven, ended));
                    Ok(client)
                }
                Some(tls) => {
                    let (client, driven) = config.connect(tls.clone()).await?;
                    self.tasks.spawn(drive(driven, ended));
                    Ok(client)
                }
            }
        };
        let client = tokio::time::timeout(self.address.connect, connecting)
            .await
            .map_err(|_| Fault::lost("the database cannot be reached", "no answer in time"))?
            .map_err(|error: tokio_postgres::Error| match Fault::from(error) {
                Fault::Wrong(what) => Fault::lost("the database cannot be reached", what),
                other => other,
            })?;
        Ok(Connection { client, named: self.has_names.then(Named::new), _end: end })
    }

    /// Asks the server to give up what the connection is waiting for. The answer does not matter.
    pub(super) fn give_up(self: &Arc<Self>, token: CancelToken) {
        let opener = Arc::clone(self);
        self.tasks.spawn(async move {
            let asked = async {
                match &opener.tls {
                    None => token.cancel_query(NoTls).await,
                    Some(tls) => token.cancel_query(tls.clone()).await,
                }
            };
            if let Ok(Err(error)) = tokio::time::timeout(opener.address.connect, asked).await {
                tracing::debug!(error = text(&error), "a statement was not given up");
            }
        });
    }
}

/// Moves bytes until the connection ends or nobody wants it any more.
async fn drive(driven: impl Future<Output = Result<(), tokio_postgres::Error>>, ended: CancellationToken) {
    tokio::select! {
        () = ended.cancelled() => {}
        outcome = driven => {
            if let Err(error) = outcome {
                tracing::debug!(error = text(&error), "a connection to the database ended");
            }
        }
    }
}

/// A statement and its parameters.
pub(super) type Statement<'a> = (&'a str, &'a Params);

/// What a statement came to: how many rows it touched or returned, and those that it returned.
pub(super) type Answer = Result<(u64, Vec<Row>), Fault>;

/// A connection. The socket is closed when it is dropped, so that whatever it was doing is undone.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    named: Option<Named>,
    _end: DropGuard,
}

impl Connection {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// Runs fixed statements that return nothing.
    pub(super) async fn command(&self, sql: &str) -> Result<(), Fault> {
        self.client.batch_execute(sql).await.map_err(Fault::from)
    }

    /// Makes what comes often quick, where that may be: to be called before anything of it is sent.
    pub(super) async fn prepare(&self, statements: &[Statement<'_>]) -> Result<(), Fault> {
        match &self.named {
            Some(named) => named.prepare(&self.client, statements).await,
            None => Ok(()),
        }
    }

    /// Runs one statement. Unless it was prepared, nothing of it outlives the call on the server, so that the next may go
    /// through another of its connections where a pooler stands in between.
    pub(super) async fn run(&self, (sql, params): Statement<'_>) -> Answer {
        let stream = match self.named.as_ref().and_then(|named| named.find(sql, params)) {
            Some(statement) => self.client.query_raw(&statement, params.iter()).await?,
            None => self.find(sql, params).await?,
        };
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(found) = stream.try_next().await? {
            rows.push(row(&found)?);
        }
        let touched = stream.rows_affected().unwrap_or(0);
        Ok((touched, rows))
    }

    /// Begins to read what one statement finds, as fast as it is taken.
    pub(super) async fn find(&self, sql: &str, params: &Params) -> Result<RowStream, Fault> {
        let params = params.iter().map(|value| (value, declared(value)));
        self.client.query_typed_raw(sql, params).await.map_err(Fault::from)
    }

    /// Runs a COPY from these chunks.
    pub(super) async fn copy(&self, sql: &str, chunks: impl Iterator<Item = Bytes>) -> Result<(), Fault> {
        let sink = self.client.copy_in(sql).await?;
        let mut sink = std::pin::pin!(sink);
        for chunk in chunks {
            sink.send(chunk).await?;
        }
        sink.finish().await.map(drop).map_err(Fault::from)
    }

    /// Runs a command, the statements, and a command after them if there is one: in one round trip as far as they fit into a
    /// window. What the statements returned, in their order, up to the first that `enough` is true of, given its place and
    /// how many rows it touched.
    pub(super) async fn run_all(
        &self,
        before: &str,
        statements: &[Statement<'_>],
        after: Option<&str>,
        enough: impl Fn(usize, u64) -> bool,
    ) -> Result<Vec<Vec<Row>>, Fault> {
        let mut answers = Vec::with_capacity(statements.len());
        let mut first = Some(Sent::send(self.command(before)).await);
        while first.is_some() || answers.len() < statements.len() {
            let window = window(statements.get(answers.len()..).unwrap_or_default());
            let is_last = answers.len() + window.len() == statements.len();
            let mut sent = Vec::with_capacity(window.len());
            for statement in window {
                sent.push(Sent::send(self.run(*statement)).await);
            }
            let last = match after.filter(|_| is_last) {
                Some(after) => Some(Sent::send(self.command(after)).await),
                None => None,
            };
            if let Some(first) = first.take() {
                first.answer().await?;
            }
            for sent in sent {
                let (touched, rows) = sent.answer().await?;
                answers.push(rows);
                if enough(answers.len() - 1, touched) {
                    return Ok(answers);
                }
            }
            if let Some(last) = last {
                last.answer().await?;
            }
        }
        Ok(answers)
    }
}

/// A request that is on its way: the library sends it when it is polled first.
struct Sent<F: Future> {
    running: Pin<Box<F>>,
    early: Poll<F::Output>,
}

impl<F: Future> Sent<F> {
    async fn send(request: F) -> Self {
        let mut running = Box::pin(request);
        let early = poll!(&mut running);
        Self { running, early }
    }

    async fn answer(self) -> F::Output {
        match self.early {
            Poll::Ready(answer) => answer,
            Poll::Pending => self.running.await,
        }
    }
}

/// As many of the statements as may be under way at once.
fn window<'a, 'b>(statements: &'b [Statement<'a>]) -> &'b [Statement<'a>] {
    let mut bytes = 0;
    let fits = statements.iter().take(WINDOW).take_while(|(_, params)| {
        let fits = bytes < WINDOW_BYTES;
        bytes += params.iter().map(size).sum::<usize>();
        fits
    });
    let many = fits.count();
    statements.get(..many).unwrap_or(statements)
}
