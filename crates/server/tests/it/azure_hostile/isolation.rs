//! What is alice's, asked for by others: another user, an end user of hers, and credentials that reach only one agent or
//! only another project.

use http::Method;
use sederunt_core::caller::{Action, Grants};
use sederunt_core::id::{TenantId, UserId};
use sederunt_core::tokens::NewKey;
use serde_json::{Value, json};

use super::{Hall, SECRET, SESSION, fault_of};
use crate::azure::talk::{ask_with, openai, plan, project};
use crate::azure::{at, prompt, session_at, sessions_of};
use crate::harness::{Persona, Reply};

/// Something of alice's that somebody else asks for, and the status that is due.
struct Probe {
    method: Method,
    path: String,
    body: Option<Value>,
    due: u16,
}

fn probe(method: Method, path: String, due: u16) -> Probe {
    Probe { method, path, body: None, due }
}

fn post(path: String, body: Value, due: u16) -> Probe {
    Probe { method: Method::POST, path, body: Some(body), due }
}

/// A header with its value.
type Header = (&'static str, &'static str);

impl Hall {
    /// What everybody is refused to whom alice's things do not belong. `shared` is the status of a response in a session of
    /// hers that is named.
    fn probes(&self, shared: u16) -> Vec<Probe> {
        let mut probes = self.sessions(if shared == 200 { 501 } else { shared });
        probes.extend(self.talk(&|path| openai("clerk", path), &json!({}), shared));
        let reference = json!({"agent_reference": {"type": "agent_reference", "name": "clerk"}});
        probes.extend(self.talk(&|path| project(path), &reference, shared));
        probes
    }

    fn talk(&self, base: &dyn Fn(&str) -> String, extra: &Value, shared: u16) -> Vec<Probe> {
        let Self { response, running, conversation, said, item, .. } = self;
        let mut probes = Vec::new();
        for id in [response, running] {
            let path = |rest: &str| base(&format!("/responses/{id}{rest}"));
            probes.extend([
                probe(Method::GET, path(""), 404),
                probe(Method::GET, path("?stream=true"), 404),
                probe(Method::GET, path("?stream=true&starting_after=1"), 404),
                probe(Method::GET, path("/input_items"), 404),
                probe(Method::POST, path("/cancel"), 404),
                probe(Method::DELETE, path(""), 404),
                probe(Method::GET, base(&format!("/responses?after={id}")), 400),
                probe(Method::GET, base(&format!("/responses?before={id}")), 400),
            ]);
        }
        let path = |rest: &str| base(&format!("/conversations/{conversation}{rest}"));
        let one = json!({"items": [{"role": "user", "content": "x"}]});
        probes.extend([
            probe(Method::GET, path(""), 404),
            post(path(""), json!({"metadata": {}}), 404),
            probe(Method::DELETE, path(""), 404),
            probe(Method::GET, path("/items"), 404),
            post(path("/items"), one, 404),
            probe(Method::GET, path(&format!("/items/{said}")), 404),
            probe(Method::DELETE, path(&format!("/items/{said}")), 404),
            probe(Method::GET, base(&format!("/conversations?after={conversation}")), 400),
            probe(Method::GET, base(&format!("/responses?conversation_id={conversation}")), 404),
            probe(Method::GET, base("/responses?agent_name=clerk&limit=100"), 200),
            probe(Method::GET, base("/conversations?agent_name=clerk"), 200),
            probe(Method::GET, base("/responses?agent_id=clerk:1"), 200),
        ]);
        let ask = |member: &str, value: Value, due| {
            let mut body = json!({"input": "what did I say?", member: value});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            post(base("/responses"), body, due)
        };
        let reference = json!([{"type": "item_reference", "id": item}]);
        probes.extend([
            ask("previous_response_id", json!(response), 404),
            ask("conversation", json!(conversation), 404),
            ask("conversation", json!({"id": conversation}), 404),
            ask("agent_session_id", json!(SESSION), shared),
            ask("input", reference.clone(), 404),
            post(base("/conversations"), json!({"items": reference}), 404),
        ]);
        probes
    }

    fn sessions(&self, invoked: u16) -> Vec<Probe> {
        let path = |rest: &str| session_at("clerk", &format!("{SESSION}{rest}"));
        let invocations = at(&format!("/agents/clerk/endpoint/protocols/invocations?agent_session_id={SESSION}"));
        vec![
            probe(Method::GET, sessions_of("clerk"), 200),
            probe(Method::GET, format!("{}&after={SESSION}", sessions_of("clerk")), 400),
            post(sessions_of("clerk"), json!({"agent_session_id": SESSION}), 409),
            probe(Method::GET, path(""), 404),
            probe(Method::POST, path(":stop"), 404),
            // Done, as of any session that is not theirs: nothing happens to it.
            probe(Method::DELETE, path(""), 204),
            probe(Method::GET, path("/files"), 404),
            probe(Method::GET, path("/files/stat?path=letter"), 404),
            probe(Method::GET, path("/files/content?path=letter"), 404),
            probe(Method::PUT, path("/files/content?path=letter"), 404),
            probe(Method::DELETE, path("/files?path=letter"), 404),
            post(path("/files/mkdir"), json!({"path": "x"}), 404),
            probe(Method::GET, at(&format!("/agents/clerk/versions/1/sessions/{SESSION}:logstream")), 404),
            probe(Method::GET, at(&format!("/agents/clerk/sessions/{SESSION}:logstream")), 404),
            post(invocations, json!({}), invoked),
        ]
    }

    /// Asks for everything as this persona. `due` may change what is due.
    async fn probe(&self, who: &Persona, headers: &[Header], probes: Vec<Probe>) {
        for Probe { method, path, body, due } in probes {
            let request =
                headers.iter().fold(who.request(method.clone(), &path), |r, (name, value)| r.header(*name, *value));
            let reply = Reply::of(match &body {
                Some(body) => request.json(body),
                None => request,
            })
            .await;
            let asked = format!("{method} {path} {}", body.unwrap_or_default());
            assert_eq!(reply.status.as_u16(), due, "{asked}: {reply:?}");
            assert!(!reply.body.contains(SECRET), "{asked}: {reply:?}");
            if reply.status.is_success() {
                let named = [&self.response, &self.running, &self.conversation, &self.item];
                assert!(!named.iter().any(|name| reply.body.contains(*name)), "{asked}: {reply:?}");
            } else {
                assert_eq!(fault_of(&reply), None, "{asked}");
            }
        }
    }

    /// A key of another person for these actions on one agent.
    async fn key(&self, tenant: &str, grants: Grants) -> Persona {
        let new = NewKey { user: UserId::from("carol"), name: "carol's".into(), grants, life: None };
        let (secret, _) = self.desk.house.app().tokens().first_key(&TenantId::from(tenant), new).await.unwrap();
        self.desk.house.holder(&secret)
    }

    async fn agent_id(&self, name: &str) -> sederunt_core::id::AgentId {
        let list = self.desk.alice.get("/control/v1/agents?limit=100").await.json(200);
        let agents = list.as_object().unwrap().values().find_map(Value::as_array).unwrap();
        let agent = agents.iter().find(|agent| agent["key"] == name).unwrap();
        agent["id"].as_str().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn another_user_finds_nothing_of_alices() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    hall.probe(&hall.desk.house.bob(), &[], hall.probes(403)).await;
    let shared = json!({"input": "x", "agent_session_id": SESSION});
    let refused = hall.desk.house.bob().post(&openai("clerk", "/responses"), shared).await;
    assert_eq!(refused.json(403)["error"]["code"], "session_not_accessible");
    assert_eq!(hall.inventory().await, before);
    let letter = session_at("clerk", &format!("{SESSION}/files/content?path=letter"));
    assert_eq!(hall.desk.alice.get(&letter).await.expect(200).body, SECRET);
}

#[tokio::test]
async fn an_end_user_shares_a_sandbox_that_they_name_and_nothing_else() {
    let hall = Hall::new().await;
    let letter = session_at("clerk", &format!("{SESSION}/files/content?path=letter"));
    for header in ["x-ms-user-identity", "x-ms-user-isolation-key", "x-session-isolation-key"] {
        hall.probe(&hall.desk.alice, &[(header, "eve")], hall.probes(200)).await;
    }
    assert_eq!(hall.desk.alice.get(&letter).await.expect(200).body, SECRET);
    // Nor does an end user of the same name behind somebody else.
    hall.probe(&hall.desk.house.bob(), &[("x-ms-user-identity", "eve")], hall.probes(403)).await;
}

#[tokio::test]
async fn a_key_for_one_agent_sees_that_agent_alone_and_its_own_things_with_it() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    let all: Vec<Action> = Grants::user().actions().collect();
    let mut probes = hall.probes(403);
    for path in
        ["/agents/scribe", "/agents/scribe/versions", "/agents/scribe/versions/1", "/agents/scribe/endpoint/sessions"]
    {
        probes.push(probe(Method::GET, at(path), 404));
    }
    for action in [":enable", ":disable"] {
        probes.push(probe(Method::POST, at(&format!("/agents/scribe{action}")), 404));
    }
    probes.push(probe(Method::DELETE, at("/agents/scribe"), 404));
    probes.push(probe(Method::GET, at("/agents?after=scribe"), 400));
    probes.push(probe(Method::GET, openai("scribe", "/responses"), 404));
    probes.push(post(openai("scribe", "/responses"), json!({"input": "x"}), 404));
    probes.push(post(openai("scribe", "/conversations"), json!({}), 404));
    let elsewhere = json!({"input": "x", "agent_reference": {"type": "agent_reference", "name": "scribe"}});
    probes.push(post(project("/responses"), elsewhere, 404));
    probes.push(post(at("/agents/scribe/versions"), json!({"definition": prompt()}), 403));
    let clerks = hall.key("default", Grants::on(&all, &[hall.agent_id("clerk").await])).await;
    hall.probe(&clerks, &[], probes).await;
    let agents = clerks.get(&at("/agents")).await.json(200);
    let names: Vec<_> =
        agents["data"].as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["clerk"]);
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_key_for_another_agent_or_another_project_finds_nothing() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    let talker = hall.key("default", Grants::on(&[Action::Talk], &[hall.agent_id("scribe").await])).await;
    let stranger = hall.key("elsewhere", Grants::all()).await;
    for Probe { method, path, body, .. } in hall.probes(403) {
        for (who, due) in [(&talker, &[400, 403, 404][..]), (&stranger, &[404])] {
            let request = who.request(method.clone(), &path);
            let reply = Reply::of(match &body {
                Some(body) => request.json(body),
                None => request,
            })
            .await;
            assert!(due.contains(&reply.status.as_u16()), "{method} {path}: {reply:?}");
            assert_eq!(fault_of(&reply), None, "{method} {path}");
            assert!(!reply.body.contains(SECRET), "{method} {path}: {reply:?}");
        }
        // In its own project the same names are nothing.
        let there = path.replace("/projects/_project/", "/projects/elsewhere/");
        let request = stranger.request(method.clone(), &there);
        let reply = Reply::of(match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await;
        let empty = reply.status == 200 && reply.body.contains("\"data\":[]");
        assert!(empty || matches!(reply.status.as_u16(), 400 | 404), "{method} {there}: {reply:?}");
    }
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn projects_share_nothing() {
    let hall = Hall::new().await;
    // Alice's own credential is good in every project of a development server; her things are in one.
    for Probe { method, path, body, .. } in hall.probes(200) {
        let there = path.replace("/projects/_project/", "/projects/elsewhere/");
        let request = hall.desk.alice.request(method.clone(), &there);
        let reply = Reply::of(match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await;
        let empty = reply.status == 200 && reply.body.contains("\"data\":[]");
        assert!(empty || matches!(reply.status.as_u16(), 400 | 404), "{method} {there}: {reply:?}");
        assert!(!reply.body.contains(SECRET), "{method} {there}: {reply:?}");
    }
    let default = hall.desk.alice.get("/api/projects/default/agents/clerk?api-version=v1").await.json(200);
    assert_eq!(default["name"], "clerk", "_project is the default project by another name");
}

#[tokio::test]
async fn no_key_speaks_for_an_end_user() {
    let hall = Hall::new().await;
    let new = NewKey { user: UserId::from("alice/eve"), name: "n".into(), grants: Grants::user(), life: None };
    hall.desk.house.app().tokens().first_key(&TenantId::from("default"), new).await.unwrap_err();
    let asked = json!({"user": "alice/eve", "name": "n"});
    hall.desk.alice.post("/control/v1/keys", asked).await.expect(400);
}

#[tokio::test]
async fn under_the_strict_switch_who_names_no_end_user_sees_none_of_theirs() {
    let hall = Hall::of(plan().set("azure.strict_users", "true")).await;
    let eve = [("x-ms-user-identity", "eve")];
    let body = json!({"input": SECRET, "agent_session_id": "eves-session"});
    let eves = ask_with(&hall.desk.alice, &eve, &body).await.json(200);
    let response = eves["id"].as_str().unwrap();
    let path = |rest: &str| openai("clerk", &format!("/responses/{response}{rest}"));
    let ask =
        |member: &str, value: &str| post(openai("clerk", "/responses"), json!({"input": "x", member: value}), 403);
    let probes = vec![
        probe(Method::GET, path(""), 403),
        probe(Method::GET, path("/input_items"), 403),
        probe(Method::DELETE, path(""), 403),
        ask("previous_response_id", response),
        ask("agent_session_id", "eves-session"),
        probe(Method::GET, openai("clerk", &format!("/responses?after={response}")), 400),
        probe(Method::GET, session_at("clerk", "eves-session"), 404),
        probe(Method::POST, session_at("clerk", "eves-session:stop"), 404),
        probe(Method::DELETE, session_at("clerk", "eves-session"), 204),
    ];
    hall.probe(&hall.desk.alice, &[], probes).await;
    for path in [sessions_of("clerk"), project("/responses"), project("/conversations")] {
        let page = hall.desk.alice.get(&path).await;
        page.expect(200);
        assert!(!page.body.contains(response) && !page.body.contains("eves-session"), "{page:?}");
    }
    let own = hall.desk.alice.request(Method::GET, &session_at("clerk", "eves-session"));
    Reply::of(own.header(eve[0].0, eve[0].1)).await.expect(200);
}
