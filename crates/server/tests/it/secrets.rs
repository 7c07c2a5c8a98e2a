//! What proves who somebody is, and what people say, stands in no log: not even when everything there is is logged.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Url;
use reqwest::header::LOCATION;
use sederunt_core::caller::Grants;
use sederunt_core::tokens::NewKey;
use sederunt_server::ready::Ready;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{House, Reply, plain_client};

const MODEL_KEY: &str = "sk-the-models-own-key-4711";
const TEXT: &str = "a question that is nobody else's business";
const ANSWER: &str = "an answer that is nobody else's business";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A model's server: answers once, then refuses and quotes the key that it was shown.
async fn model(listener: TcpListener) {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": ANSWER}, "finish_reason": "stop"}]});
    let answer = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let refusal = json!({"error": {"message": format!("Incorrect API key provided: {MODEL_KEY}")}}).to_string();
    for (head, body) in [("200 OK\r\ncontent-type: text/event-stream", answer), ("401 Unauthorized", refusal)] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        // The question is JSON, so its last byte closes the outermost object.
        while !asked.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
        }
        assert!(String::from_utf8(asked).unwrap().contains(MODEL_KEY), "the model is shown its key");
        let length = body.len();
        let reply = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

/// `dev`, with everything logged into `log` and this model behind it.
fn dev(folder: &Path, model: &str) -> (Child, Ready) {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sederunt"))
        .args(["dev", "--json", "--http", "127.0.0.1:0", "--https", "off"])
        .args(["--set", "models.default.provider=openai", "--set", "models.default.model=m"])
        .args(["--set", "models.default.api_key_env=MODEL_KEY", "--set", "models.default.retries=0"])
        .args(["--set", &format!("models.default.base_url={model}")])
        .envs([("SEDERUNT_LOG_FILTER", "trace"), ("MODEL_KEY", MODEL_KEY)])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    (child, serde_json::from_str(&said).unwrap())
}

/// Speaks to the server as everybody does, and returns every secret that was used.
async fn use_it(ready: &Ready) -> Vec<String> {
    let base = ready.http.as_deref().unwrap();
    let post = |path: &str, token: &str, body: Value| {
        Reply::of(plain_client().post(format!("{base}{path}")).bearer_auth(token).json(&body))
    };
    let form = |path: &str, fields: &[(&str, &str)]| {
        let body = Url::parse_with_params("http://form/", fields).unwrap().query().unwrap().to_owned();
        let request = plain_client().post(format!("{base}{path}")).body(body);
        Reply::of(request.header("content-type", "application/x-www-form-urlencoded"))
    };
    let text_of = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let alice = &ready.users[0].token;
    let oauth = ready.oauth.as_ref().unwrap();
    let mut secrets = vec![MODEL_KEY.into(), alice.clone(), oauth.client_secret.clone()];

    let made = post("/control/v1/keys", alice, json!({"user": "carol", "name": "k"})).await.json(201);
    let key = text_of(&made, "secret");
    let made = post("/control/v1/applications", alice, json!({"name": "Night job"})).await.json(201);
    let (client, client_secret) = (text_of(&made, "client_id"), text_of(&made, "secret"));
    let token = "/multipass/api/oauth2/token";
    let asked = [("grant_type", "client_credentials"), ("client_id", &*client), ("client_secret", &*client_secret)];
    let own = text_of(&form(token, &asked).await.json(200), "access_token");

    let authorize = Url::parse_with_params(
        &format!("{base}/multipass/api/oauth2/authorize"),
        [
            ("response_type", "code"),
            ("client_id", &*oauth.public_client_id),
            ("redirect_uri", &*oauth.redirect_uri),
            ("scope", "api:aip-agents-read api:aip-agents-write offline_access"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
    );
    let approved = Reply::of(plain_client().get(authorize.unwrap())).await;
    let location = Url::parse(approved.headers[LOCATION].to_str().unwrap()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let public = ("client_id", &*oauth.public_client_id);
    let redeemed = [
        ("grant_type", "authorization_code"),
        public,
        ("code", &*code),
        ("redirect_uri", &*oauth.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let issued = form(token, &redeemed).await.json(200);
    let (access, refresh) = (text_of(&issued, "access_token"), text_of(&issued, "refresh_token"));
    let again = form(token, &[("grant_type", "refresh_token"), public, ("refresh_token", &*refresh)]).await.json(200);

    let rid = &ready.agents[0].rid;
    let sessions = format!("/api/v2/aipAgents/agents/{rid}/sessions");
    let session = post(&format!("{sessions}?preview=true"), &key, json!({})).await.json(200);
    let session = format!("{sessions}/{}", text_of(&session, "rid"));
    let input = json!({"userInput": {"text": TEXT}, "parameterInputs": {}});
    let path = format!("{session}/streamingContinue?preview=true");
    assert_eq!(post(&path, &key, input.clone()).await.expect(200).body, ANSWER);
    let refused = post(&format!("{session}/blockingContinue?preview=true"), &key, input).await;
    assert!(refused.status.is_server_error() || refused.status.is_client_error(), "{refused:?}");
    // With tokens and secrets that are good, and one that is not.
    for secret in [&own, &access] {
        let all = format!("{base}/api/v2/aipAgents/agents/allSessions?preview=true");
        Reply::of(plain_client().get(all).bearer_auth(secret)).await.expect(200);
    }
    let unknown = "sed_key_that_nobody_knows";
    post(&format!("{sessions}?preview=true"), unknown, json!({})).await.expect(401);
    let again = [text_of(&again, "access_token"), text_of(&again, "refresh_token")];
    secrets.extend([key, client_secret, own, code, VERIFIER.into(), access, refresh, unknown.into()]);
    secrets.extend(again);
    secrets.extend([TEXT.into(), ANSWER.into()]);
    secrets
}

#[tokio::test]
async fn nothing_that_is_secret_is_logged_though_everything_is() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let path = folder.path().to_owned();
    let (mut child, ready) = tokio::task::spawn_blocking(move || dev(&path, &base)).await.unwrap();
    let (secrets, ()) = tokio::join!(use_it(&ready), model(listener));
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    std::fs::File::open(folder.path().join("log")).unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("TRACE") && log.contains("model fault"), "{log}");
    for secret in secrets {
        let told: Vec<_> = log.lines().filter(|line| line.contains(&secret)).collect();
        assert!(told.is_empty(), "{secret} is in the log: {told:#?}");
    }
}

#[tokio::test]
async fn nothing_that_holds_a_secret_shows_it() {
    let house = House::start().await;
    let tokens = house.app().tokens();
    let new = NewKey { user: "ann".into(), name: "k".into(), grants: Grants::user(), life: None };
    let (secret, key) = tokens.first_key(&"default".into(), new).await.unwrap();
    let caller = house.app().ports().identity.authenticate(&secret).await.unwrap();
    let oauth = house.ready.oauth.clone().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &oauth.client_id),
        ("client_secret", &oauth.client_secret),
    ];
    let body = Url::parse_with_params("http://form/", form).unwrap().query().unwrap().to_owned();
    let base = house.ready.http.as_deref().unwrap();
    let request = plain_client().post(format!("{base}/multipass/api/oauth2/token")).body(body);
    let issued = Reply::of(request.header("content-type", "application/x-www-form-urlencoded")).await.json(200);
    let shown = format!("{key:?} {caller:?} {:?} {:?} {tokens:?}", house.app(), house.ready);
    let (hash, access) = (key.id.0.clone(), issued["access_token"].as_str().unwrap().to_owned());
    for secret in [secret, hash, access, oauth.client_secret.clone(), house.ready.users[0].token.clone()] {
        assert!(!shown.contains(&secret), "{secret} is shown: {shown}");
    }
}
