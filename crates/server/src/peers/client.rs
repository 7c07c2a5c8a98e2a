//! The asking side: connections that are kept, and limits to how long a node may be silent.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::{Method, StatusCode, header};
use reqwest::Url;
use sederunt_core::clock::Timer;
use sederunt_core::error::{Error, Result};
use sederunt_core::id::{SessionId, TenantId, TurnId};
use sederunt_core::journal::LogLine;
use sederunt_core::node::{Answer, Node, Order, Peers, Told};
use serde::de::DeserializeOwned;

use super::lines::{Lines, away};
use super::wire::{Asked, Presence, Reply};
use super::{NODE, PREFIX, PeerTls, Secret};

/// How long other nodes are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until something is heard, be it only that the node lives.
    pub silence: Duration,
    /// Until an order is carried out, by a node that goes on to say that it lives.
    pub order: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), silence: Duration::from_secs(5), order: Duration::from_secs(60) }
    }
}

/// Asks other nodes over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpPeers {
    http: reqwest::Client,
    secret: Secret,
    timer: Arc<dyn Timer>,
    patience: Patience,
}

impl HttpPeers {
    /// Asks with this secret; over TLS, as the holder of this certificate. `timer` says when a request is made.
    pub fn new(secret: Secret, tls: Option<&PeerTls>, timer: Arc<dyn Timer>, patience: Patience) -> Result<Self> {
        let builder = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            // A node lets an idle connection go later than this.
            .pool_idle_timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .tls_backend_preconfigured(super::tls::client(tls)?);
        let http = builder.build().map_err(Error::internal)?;
        Ok(Self { http, secret, timer, patience })
    }

    /// What a node says of itself, if it says so soon: it needs to look nothing up for it.
    pub async fn presence(&self, node: &Node) -> Result<Presence> {
        let said = async {
            let mut lines = self.open(node, Method::GET, &["status"], None, Bytes::new()).await?;
            read(&only(lines.next().await?)?)
        };
        let said = tokio::time::timeout(self.patience.connect, said).await;
        said.map_err(|_| Error::unavailable("the node does not answer"))?
    }

    /// Asks, and waits for an answer to begin.
    async fn open(&self, node: &Node, method: Method, path: &[&str], from: Option<u32>, body: Bytes) -> Result<Lines> {
        let url = url(node, path, from)?;
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let badge = self.secret.sign(method.as_str(), &target, node.id, &body, self.timer.wall());
        let request = self.http.request(method, url).header(header::AUTHORIZATION, badge);
        let request = request.header(NODE, node.id.to_string()).body(body).send();
        let answered = tokio::time::timeout(self.patience.silence, request).await;
        let response = answered.map_err(|_| Error::unavailable("the node does not answer"))?;
        let response = response.map_err(|error| away("the node cannot be reached", error))?;
        match response.status() {
            StatusCode::OK => Ok(Lines::new(response, self.patience.silence)),
            status => Err(refused(node, status)),
        }
    }

    /// A stream of lines, each read as a value, up to the first error.
    async fn told<T: DeserializeOwned + Send + 'static>(
        &self,
        node: &Node,
        path: &[&str],
        from: Option<u32>,
    ) -> Result<BoxStream<'static, Result<T>>> {
        let lines = self.open(node, Method::GET, path, from, Bytes::new()).await?;
        let values = stream::unfold(Some(lines), |lines| async {
            let mut lines = lines?;
            match lines.next().await {
                Ok(None) => None,
                Ok(Some(line)) => match read(&line) {
                    Ok(value) => Some((Ok(value), Some(lines))),
                    Err(error) => Some((Err(error), None)),
                },
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(values.boxed())
    }
}

#[async_trait]
impl Peers for HttpPeers {
    async fn ask(&self, node: &Node, tenant: &TenantId, order: &Order) -> Result<Answer> {
        let asked = Asked { tenant: tenant.clone(), order: order.clone() };
        let body = serde_json::to_vec(&asked).map_err(Error::internal)?;
        let answer = async {
            let mut lines = self.open(node, Method::POST, &["orders"], None, body.into()).await?;
            read::<Reply>(&only(lines.next().await?)?)
        };
        match tokio::time::timeout(self.patience.order, answer).await {
            Ok(Ok(Reply::Answer(answer))) => Ok(answer),
            Ok(Ok(Reply::Failed { reason })) => Err(Error::unavailable(reason)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::unavailable("the node does not come to an end with what it was asked")),
        }
    }

    async fn listen(
        &self,
        node: &Node,
        tenant: &TenantId,
        turn: TurnId,
        from: u32,
    ) -> Result<BoxStream<'static, Result<Told>>> {
        self.told(node, &["turns", tenant.as_str(), &turn.to_string(), "parts"], Some(from)).await
    }

    async fn journal(
        &self,
        node: &Node,
        tenant: &TenantId,
        session: SessionId,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        self.told(node, &["sessions", tenant.as_str(), &session.to_string(), "journal"], None).await
    }
}

fn url(node: &Node, path: &[&str], from: Option<u32>) -> Result<Url> {
    let unfit = || Error::unavailable("the node has no address that can be asked");
    let mut url = Url::parse(&format!("{}{PREFIX}/", node.address)).map_err(|_| unfit())?;
    url.path_segments_mut().map_err(|()| unfit())?.pop_if_empty().extend(path);
    if let Some(from) = from {
        url.set_query(Some(&format!("from={from}")));
    }
    Ok(url)
}

/// Why a node does not do what it was asked.
fn refused(node: &Node, status: StatusCode) -> Error {
    let (id, release) = (node.id, &node.release);
    match status {
        StatusCode::UNAUTHORIZED => {
            tracing::error!(node = %id, "a node refuses this one: its secret or its time of day is another");
            Error::unavailable("the node refuses this one")
        }
        StatusCode::MISDIRECTED_REQUEST => Error::unavailable("the node is not at its address any more"),
        StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
            tracing::warn!(node = %id, release, "a node of another release does not know what it was asked");
            Error::unavailable("the node is of a release that does not know this")
        }
        status => Error::unavailable(format!("the node answered {status}")),
    }
}

fn only(line: Option<Bytes>) -> Result<Bytes> {
    line.ok_or_else(|| Error::unavailable("the node broke off"))
}

/// What a line says. One that cannot be read comes from another release.
fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    serde_json::from_slice(line).map_err(|error| Error::Unavailable {
        reason: "the node says what this release does not know".into(),
        source: Some(Box::new(error)),
    })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::response::Response;
    use sederunt_core::clock::{SystemTimer, Time};
    use sederunt_core::id::NodeId;
    use sederunt_core::node::Which;
    use tokio::net::TcpListener;
    use tokio_util::task::{AbortOnDropHandle, TaskTracker};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(30);

    /// A node that answers everything in this way, for as long as the handle is held.
    async fn node(answer: fn() -> Response) -> (Node, AbortOnDropHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(move || async move { answer() });
        let serving = TaskTracker::new().spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let (id, joined) = (NodeId(uuid::Uuid::max()), Time::from_nanos(0));
        (Node { id, address, beat: 0, release: "9.9.9".into(), joined }, AbortOnDropHandle::new(serving))
    }

    fn said(body: impl Into<Body>) -> Response {
        Response::new(body.into())
    }

    fn silence() -> Body {
        Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())
    }

    /// Why an order could not be given to a node that answers in this way.
    async fn why(answer: fn() -> Response) -> String {
        let (node, _serving) = node(answer).await;
        let patience = Patience { connect: MOMENT, silence: MOMENT, order: MOMENT * 4 };
        let secret = Secret::new(&[1; 32]).unwrap();
        let peers = HttpPeers::new(secret, None, Arc::new(SystemTimer::default()), patience).unwrap();
        let order = Order::Runs { which: Which::Sessions(Vec::new()) };
        match peers.ask(&node, &"default".into(), &order).await {
            Err(Error::Unavailable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_node_that_stands_still_is_noticed_by_its_silence_and_one_that_only_lives_is_not_waited_for_without_end()
    {
        assert_eq!(why(|| said(silence())).await, "the node fell silent");
        let alive = || {
            let lines = stream::unfold((), |()| async {
                tokio::time::sleep(MOMENT / 3).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b"\n")), ()))
            });
            said(Body::from_stream(lines))
        };
        assert_eq!(why(alive).await, "the node does not come to an end with what it was asked");
    }

    #[tokio::test]
    async fn a_node_of_another_release_that_does_not_understand_or_is_not_understood_is_told_apart_from_a_lost_one() {
        let unknown = || {
            let mut response = said("");
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        };
        assert_eq!(why(unknown).await, "the node is of a release that does not know this");
        assert_eq!(
            why(|| said("{\"answer\":{\"answer\":\"perhaps\"}}\n")).await,
            "the node says what this release does not know"
        );
        assert_eq!(why(|| said("{\"failed\":{\"reason\":\"no room\"}}\n")).await, "no room");
        assert_eq!(why(|| said("")).await, "the node broke off");
    }
}
