//! OAuth2 applications of a server in earnest: from their registration to their removal.

use http::Method;
use reqwest::Url;
use serde_json::{Value, json};

use crate::harness::{House, Reply};

const APPLICATIONS: &str = "/control/v1/applications";
const AUTHORIZE: &str = "/multipass/api/oauth2/authorize";
const ALL_SESSIONS: &str = "/api/v2/aipAgents/agents/allSessions?preview=true";
const CALLBACK: &str = "http://127.0.0.1:4321/callback";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

type Form<'a> = [(&'a str, &'a str)];

fn encoded(form: &Form<'_>) -> String {
    Url::parse_with_params("http://form/", form).unwrap().query().unwrap().to_owned()
}

async fn send(house: &House, path: &str, form: &Form<'_>) -> Reply {
    let request = house.stranger().request(Method::POST, path);
    Reply::of(request.header("content-type", "application/x-www-form-urlencoded").body(encoded(form))).await
}

async fn token(house: &House, form: &Form<'_>) -> Reply {
    send(house, "/multipass/api/oauth2/token", form).await
}

async fn register(house: &House, body: Value) -> Value {
    house.alice().post(APPLICATIONS, body).await.json(201)
}

async fn remove(house: &House, client_id: &str) {
    house.alice().delete(&format!("{APPLICATIONS}/{client_id}")).await.expect(204);
}

#[tokio::test]
async fn a_confidential_application_speaks_for_itself_until_it_is_removed() {
    let house = House::new().in_earnest().start().await;
    let made = register(&house, json!({"name": "Night job"})).await;
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let issued = token(&house, &form).await.json(200);
    let job = house.holder(issued["access_token"].as_str().unwrap());
    job.get(ALL_SESSIONS).await.expect(200);

    remove(&house, id).await;
    job.get(ALL_SESSIONS).await.expect(401);
    assert_eq!(token(&house, &form).await.json(401)["error"], "invalid_client");
}

#[tokio::test]
async fn a_person_signs_in_to_a_public_application_with_an_api_key() {
    let house = House::new().in_earnest().start().await;
    let agent = json!({"key": "desk", "definition": {"name": "Desk"}, "publish": true});
    let rid = house.alice().post("/control/v1/agents", agent).await.json(201)["rid"].as_str().unwrap().to_owned();
    let key = json!({"user": "carol", "name": "laptop", "grants": [{"action": "read_agents"}]});
    let key = house.alice().post("/control/v1/keys", key).await.json(201)["secret"].as_str().unwrap().to_owned();
    let made = register(&house, json!({"name": "Desk & Co", "redirect_uris": [CALLBACK], "public": true})).await;
    assert_eq!((made.get("secret"), &made["public"]), (None, &json!(true)));
    let id = made["client_id"].as_str().unwrap();

    let asked = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", CALLBACK),
        ("scope", "api:aip-agents-read api:aip-agents-write offline_access"),
        ("state", "s 1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let page = house.stranger().get(&format!("{AUTHORIZE}?{}", encoded(&asked))).await;
    assert!(page.expect(200).body.contains("<strong>Desk &amp; Co</strong> asks to act for you"), "{page:?}");
    let sign_in = async |key: &str| send(&house, AUTHORIZE, &[&asked[..], &[("api_key", key)]].concat()).await;
    assert!(sign_in("nonsense").await.expect(200).body.contains("This key is not known here."));
    let approved = sign_in(&key).await;
    let location = Url::parse(approved.expect(303).headers["location"].to_str().unwrap()).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    let of = |name: &str| location.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    assert_eq!(of("state").as_deref(), Some("s 1"));

    let code = of("code").unwrap();
    let redeemed = [
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let issued = token(&house, &redeemed).await.json(200);
    let access = issued["access_token"].as_str().unwrap();
    let carol = house.holder(access);
    let agent = format!("/api/v2/aipAgents/agents/{rid}");
    carol.get(&format!("{agent}?preview=true")).await.expect(200);
    // The token allows no more than the key, and is no key itself.
    carol.post(&format!("{agent}/sessions?preview=true"), json!({})).await.expect(403);
    assert!(sign_in(access).await.expect(200).body.contains("This key is not known here."));

    remove(&house, id).await;
    carol.get(&format!("{agent}?preview=true")).await.expect(401);
    let refresh = issued["refresh_token"].as_str().unwrap();
    let again = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", refresh)];
    assert_eq!(token(&house, &again).await.json(401)["error"], "invalid_client");
}
