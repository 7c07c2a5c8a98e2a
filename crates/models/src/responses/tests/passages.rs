use super::*;

fn passage(method: &str, path: &str, body: &'static str) -> Passage {
    let headers = [("content-type", "text/plain"), ("authorization", "Bearer theirs"), ("x-client-a", "1")];
    Passage {
        agent: "a".parse().unwrap(),
        method: method.into(),
        path: path.into(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: stream::iter([Ok(Bytes::from_static(body.as_bytes()))]).boxed(),
    }
}

async fn pass(settings: Settings, passage: Passage) -> Result<(u16, Vec<(String, String)>, String), ModelFault> {
    let passed = model(settings).pass(passage).await.expect("a container passes on")?;
    let pieces: Vec<Bytes> = passed.body.try_collect().await?;
    Ok((passed.status, passed.headers, String::from_utf8(pieces.concat()).unwrap()))
}

#[tokio::test]
async fn a_request_is_passed_on_as_it_stands() {
    let answer = Answer {
        status: 201,
        headers: vec![("content-type", "text/plain"), ("set-cookie", "c=1"), ("x-agent-invocation-id", "i")],
        pieces: vec![Bytes::from("as"), Bytes::from("ked")],
        end: End::Whole,
    };
    let server = Server::start([answer]).await;
    let path = "/invocations?agent_session_id=s%201&api-version=v1";
    let (status, headers, body) = pass(container(&[&server]), passage("POST", path, "{\"raw\": 1}")).await.unwrap();
    assert_eq!((status, body.as_str()), (201, "asked"));
    let named = |name: &str| headers.iter().any(|(n, _)| n == name);
    assert!(named("content-type") && named("x-agent-invocation-id") && !named("set-cookie"), "{headers:?}");
    let asked = server.asked();
    assert_eq!((asked.line.as_str(), &asked.body), (&*format!("POST {path}"), &json!({"raw": 1})));
    assert_eq!(
        (&asked.headers["content-type"], &asked.headers["x-client-a"]),
        (&"text/plain".parse().unwrap(), &"1".parse().unwrap())
    );
    assert!(!asked.headers.contains_key("authorization"));

    let none = model(settings(&[&server])).pass(passage("GET", "/invocations/i", "")).await;
    assert!(none.is_none(), "a model server is no container");
}

#[tokio::test]
async fn what_names_no_session_is_looked_for_at_every_server() {
    let (a, b) = (Server::start([refuses(404, "{}")]).await, Server::start([refuses(200, "[]")]).await);
    let (status, _, body) = pass(container(&[&a, &b]), passage("POST", "/invocations/i/cancel", "{}")).await.unwrap();
    assert_eq!((status, body.as_str()), (200, "[]"));
    assert_eq!((a.asked().body, b.asked().body), (json!({}), json!({})));
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_not_passed_on() {
    let server = Server::start([]).await;
    for path in ["/invocations/..", "/invocations/%2e%2e/responses", "\\x", "@evil.example/", "/a\\b", "x"] {
        let fault = pass(container(&[&server]), passage("GET", path, "")).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Failed, "{path}");
    }
    assert_eq!(server.times_asked(), 0);
}

#[tokio::test]
async fn a_passed_answer_that_falls_silent_is_a_broken_stream() {
    let answer = Answer { end: End::Silence, ..refuses(200, "[") };
    let server = Server::start([answer]).await;
    let settings = Settings { idle_timeout: Duration::from_millis(50), ..container(&[&server]) };
    let fault = pass(settings, passage("GET", "/invocations/i", "")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::BrokenStream);
}

#[tokio::test]
async fn a_passed_body_streams_both_ways() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/invocations", axum::routing::post(async |body: Body| Response::new(body)));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(receive, |mut receive| async { Some((Ok(receive.recv().await?), receive)) }).boxed();
    let settings = Settings { container: true, ..Settings::new([url]) };
    let passed = model(settings).pass(Passage { body, ..passage("POST", "/invocations", "") }).await.unwrap();
    let mut echoed = passed.unwrap().body;
    for piece in ["one", "two"] {
        send.send(Bytes::from(piece)).await.unwrap();
        assert_eq!(echoed.next().await, Some(Ok(Bytes::from(piece))), "it comes back before the next is sent");
    }
    drop(send);
    assert_eq!(echoed.next().await, None);
}
