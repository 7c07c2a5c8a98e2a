//! The nodes as a client sees them: addresses, of which each request goes to another than the last.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sederunt_rig::http::{Answer, Connection, Reply};

/// How long a node is passed over that did not answer, as long as there are others.
const AVOIDED: Duration = Duration::from_secs(1);

/// Where the nodes are to be found; a node that was started again has another address.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<Vec<SocketAddr>>>);

impl Board {
    /// Nodes at these addresses.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(Mutex::new(addresses)))
    }

    /// Tells of a node's new address.
    pub fn moved(&self, at: usize, to: SocketAddr) {
        if let Some(address) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            *address = to;
        }
    }

    /// The addresses of now.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One client's connections, one to each node.
#[derive(Debug)]
pub struct Nodes {
    board: Board,
    links: Vec<Link>,
    at: usize,
    /// Whether it asks one node only.
    stays: bool,
}

#[derive(Debug, Default)]
struct Link {
    connection: Option<(SocketAddr, Connection)>,
    /// When it last failed to answer.
    failed: Option<Instant>,
}

impl Nodes {
    /// A client of the nodes on a board, which begins with this one.
    pub fn new(board: &Board, first: usize) -> Self {
        let links: Vec<_> = board.addresses().iter().map(|_| Link::default()).collect();
        Self { at: (first + links.len() - 1) % links.len().max(1), links, board: board.clone(), stays: false }
    }

    /// A client of one node of a board.
    pub fn only(board: &Board, at: usize) -> Self {
        Self { at, stays: true, ..Self::new(board, at) }
    }

    /// The node that was asked last.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Sends a request to the next node and reads the whole answer.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let answer = self.next().await?.ask(request).await;
        self.settle(answer)
    }

    /// Sends a request to the next node and reads the answer's head. A body that is not read to its end must be followed by
    /// [`Nodes::hang_up`].
    pub async fn begin(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.next().await?.begin(request).await
    }

    /// Gives up the connection to the node that was asked last, and passes it over for a while.
    pub fn hang_up(&mut self) {
        if let Some(link) = self.links.get_mut(self.at) {
            *link = Link { connection: None, failed: Some(Instant::now()) };
        }
    }

    fn settle<T>(&mut self, answer: io::Result<T>) -> io::Result<T> {
        if answer.is_err() {
            self.hang_up();
        }
        answer
    }

    async fn next(&mut self) -> io::Result<&mut Connection> {
        let addresses = self.board.addresses();
        let count = self.links.len();
        let passed_over = |at: usize| {
            let failed = self.links.get(at).and_then(|link| link.failed);
            failed.is_some_and(|failed| failed.elapsed() < AVOIDED)
        };
        let first = if self.stays { 0 } else { 1 };
        let mut around = (first..=count).map(|step| (self.at + step) % count);
        let next = around.find(|&at| self.stays || !passed_over(at));
        self.at = next.unwrap_or((self.at + 1) % count.max(1));
        let missing = || io::Error::other("there is no such node");
        let address = *addresses.get(self.at).ok_or_else(missing)?;
        let link = self.links.get_mut(self.at).ok_or_else(missing)?;
        if link.connection.as_ref().is_none_or(|(to, _)| *to != address) {
            link.connection = None;
            match Connection::open(address).await {
                Ok(connection) => link.connection = Some((address, connection)),
                Err(error) => {
                    link.failed = Some(Instant::now());
                    return Err(error);
                }
            }
        }
        link.failed = None;
        link.connection.as_mut().map(|(_, connection)| connection).ok_or_else(missing)
    }
}
