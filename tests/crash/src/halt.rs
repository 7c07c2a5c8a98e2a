//! Why a worker cannot go on, and whether that is to be put up with.

use std::io;
use std::time::{Duration, Instant};

use crate::course::Course;
use crate::nodes::Nodes;

/// The longest that one thing a client does may take: longer than a database needs to find another leader. Some vendors' turns
/// are cancelled when their client hangs up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a client asks, after something failed, whether the service is back; and how long it waits for the answer.
const AGAIN: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(2);

/// What came instead of what was asked for.
#[derive(Debug)]
pub enum Halt {
    /// The connection broke, or nothing came.
    Broken(io::Error),
    /// The server answered what it must not, with this status.
    Wrong(u16, String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Halt {
    /// Whether a service of which something breaks may say so: by breaking off, by being unavailable, or by saying of what it
    /// had begun that it was interrupted, in a stream as its vendor does.
    fn is_excused_by_breaking(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Wrong(200, what) => what.contains(r#""status":"failed""#),
            Self::Wrong(409, what) => what.contains("interrupted"),
            Self::Wrong(status, _) => *status == 503,
        }
    }
}

/// What the server must not answer.
pub fn wrong(operation: &str, status: u16, body: &str) -> Halt {
    Halt::Wrong(status, format!("{operation} answered {status}: {body}"))
}

/// What is done for as long as a round lasts.
pub trait Load: Send {
    /// Does one thing, on one node or on several in turn.
    fn step(&mut self, nodes: &mut Nodes) -> impl Future<Output = Result<(), Halt>> + Send;
}

/// Takes one step after another until the round is over; what went wrong that had no excuse. While nothing breaks nothing
/// has, and the first fault is the last step.
pub async fn work(course: &Course, mut nodes: Nodes, load: &mut impl Load) -> Option<String> {
    let mut last = Instant::now();
    loop {
        let excused = course.is_breaking();
        let done = match tokio::time::timeout(PATIENCE, load.step(&mut nodes)).await {
            Ok(done) => done,
            Err(_) => Err(Halt::Broken(io::ErrorKind::TimedOut.into())),
        };
        match done {
            Ok(()) => {
                course.acknowledge(nodes.at(), last.elapsed());
                last = Instant::now();
            }
            Err(halt) => {
                let node = nodes.at();
                nodes.hang_up();
                match halt {
                    halt if (excused || course.is_breaking()) && halt.is_excused_by_breaking() => course.fail(),
                    Halt::Broken(error) => {
                        return Some(format!("node {node} broke off, and nothing was broken: {error}"));
                    }
                    Halt::Wrong(_, what) => return Some(format!("node {node}: {what}")),
                }
                while !course.is_over() && !is_ready(&mut nodes).await {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        if course.is_over() {
            return None;
        }
    }
}

/// Whether a node, not the one that was asked last, says that it can serve.
async fn is_ready(nodes: &mut Nodes) -> bool {
    let request = sederunt_rig::http::request("GET", "/readyz", "", None, None);
    match tokio::time::timeout(ANSWER, nodes.ask(&request)).await {
        Ok(answer) => answer.is_ok_and(|answer| answer.status == 200),
        Err(_) => {
            nodes.hang_up();
            false
        }
    }
}
