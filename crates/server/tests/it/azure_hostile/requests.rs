//! Requests whose head is wrong: names in paths, queries, methods, credentials, and headers that carry a name.

use http::Method;
use serde_json::json;

use super::{Hall, SESSION, fault_of};
use crate::azure::talk::{ask_with, id, openai, project};
use crate::azure::{at, session_at, sessions_of};
use crate::harness::Reply;

/// What no agent, session, version, response, conversation or item is called.
fn names() -> Vec<String> {
    let plain = ["%00", "a%00b", "..%2f..", "%2F", "%ff", "%", "%zz", ":", "a:b", "%20", "-", "_", "'%20OR%201=1--"];
    let long = ["a".repeat(64), "a".repeat(129), "a".repeat(5_000), "%F0%9F%99%82".repeat(30)];
    let odd = [
        format!("caresp_{}", "0".repeat(50)),
        format!("caresp_{}", "%C3%A9".repeat(50)),
        format!("conv_{}", "z".repeat(50)),
        "caresp_".to_owned(),
    ];
    plain.iter().map(|&name| name.to_owned()).chain(long).chain(odd).collect()
}

#[tokio::test]
async fn a_name_that_nothing_has_is_refused_on_every_route() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    for name in names() {
        let agent = |rest: &str| at(&format!("/agents/{name}{rest}"));
        let mut paths = vec![
            agent(""),
            agent("/versions"),
            agent("/endpoint/sessions"),
            agent("/endpoint/protocols/openai/responses"),
            at(&format!("/agents/clerk/versions/{name}")),
            at(&format!("/agents/clerk/versions/{name}/sessions/{SESSION}:logstream")),
            at(&format!("/agents/clerk/versions/1/sessions/{name}:logstream")),
            session_at("clerk", &name),
            session_at("clerk", &format!("{name}/files")),
            session_at("clerk", &format!("{name}/files/content?path=letter")),
        ];
        for base in [|path: &str| openai("clerk", path), project] {
            for rest in ["", "/cancel", "/input_items"] {
                paths.push(base(&format!("/responses/{name}{rest}")));
            }
            paths.push(base(&format!("/conversations/{name}")));
            paths.push(base(&format!("/conversations/{name}/items")));
            paths.push(base(&format!("/conversations/{}/items/{name}", hall.conversation)));
            for list in ["/responses", "/conversations"] {
                paths.push(base(&format!("{list}?after={name}")));
                paths.push(base(&format!("{list}?before={name}")));
            }
            paths.push(base(&format!("/responses?conversation_id={name}")));
            paths.push(base(&format!("/responses?agent_name={name}")));
            paths.push(base(&format!("/conversations?agent_id={name}")));
        }
        for path in paths {
            let is_list =
                ["?after=", "?before=", "?conversation_id=", "?agent_"].iter().any(|query| path.contains(query));
            let methods = [Method::GET, Method::POST, Method::DELETE];
            // What is added to a list needs no place in it.
            for method in methods.into_iter().filter(|method| !is_list || method == Method::GET) {
                let reply = Reply::of(hall.desk.alice.request(method.clone(), &path)).await;
                // Deleting a session that is not there is done.
                let gone = method == Method::DELETE && path.contains("/sessions/") && reply.status == 204;
                // Below an agent the agent of the path counts.
                let passed_over = path.contains("/agents/clerk/") && path.contains("?agent_") && reply.status == 200;
                let refused = matches!(reply.status.as_u16(), 400 | 404 | 405) && fault_of(&reply).is_none();
                assert!(refused || gone || passed_over, "{method} {path}: {reply:?}");
            }
        }
    }
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let hall = Hall::new().await;
    let sessions = sessions_of("clerk");
    let lists = [
        (at("/agents"), "clerk"),
        (at("/agents/clerk/versions"), "1"),
        (sessions, SESSION),
        (project("/responses"), &hall.response),
        (project("/conversations"), &hall.conversation),
        (project(&format!("/conversations/{}/items", hall.conversation)), &hall.said),
    ];
    for (list, own) in &lists {
        for (_, cursor) in &lists {
            for which in ["after", "before"] {
                let and = if list.contains('?') { '&' } else { '?' };
                let reply = hall.desk.alice.get(&format!("{list}{and}{which}={cursor}")).await;
                if cursor == own {
                    reply.expect(200);
                } else {
                    assert_eq!(fault_of(&reply), None);
                    assert_eq!(reply.json(400)["error"]["param"], which, "{list} {cursor}");
                }
            }
        }
    }
}

#[tokio::test]
async fn of_a_query_member_that_is_repeated_the_last_counts() {
    let hall = Hall::new().await;
    let list = async |query: &str| hall.desk.alice.get(&at(&format!("/agents?{query}"))).await;
    assert_eq!(list("limit=0&limit=1").await.json(200)["data"].as_array().unwrap().len(), 1);
    list("limit=1&limit=0").await.expect(400);
    list("order=up&order=asc&=&&x=%ff&%00=%00").await.expect(200);
    for query in ["limit=9999999999999999999999", "limit=1e1", "limit=%00", "limit=%ff", "order=%00", "order=asc%00"] {
        let reply = list(query).await;
        assert_eq!((reply.status.as_u16(), fault_of(&reply)), (400, None), "{query}");
    }
    let twice = hall.desk.alice.get("/api/projects/_project/agents?api-version=v1&api-version=v2").await;
    assert_eq!(twice.json(400)["error"]["code"], "UnsupportedApiVersion");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_405() {
    let hall = Hall::new().await;
    let operations = hall.operations();
    for (_, path, _) in &operations {
        for method in ["PUT", "OPTIONS", "TRACE", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            if operations.iter().any(|(has, at, _)| *has == method && at == path) || path.contains("/files/content") {
                continue;
            }
            let reply = Reply::of(hall.desk.alice.request(method.clone(), path)).await;
            let not_here = matches!(reply.status.as_u16(), 404 | 405 | 501);
            assert!(not_here && fault_of(&reply).is_none(), "{method} {path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn without_a_good_credential_every_route_is_401() {
    let hall = Hall::new().await;
    let stranger = hall.desk.house.stranger();
    let token = &hall.desk.house.ready.users[0].token;
    let long = format!("Bearer {}", "x".repeat(20_000));
    let credentials: [&[(&str, &str)]; 9] = [
        &[],
        &[("authorization", "Bearer nobody")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer  ")],
        &[("authorization", "Basic YWxpY2U6eA==")],
        &[("authorization", &long)],
        &[("api-key", "nobody")],
        &[("api-key", "")],
        &[("authorization", "Bearer nobody"), ("authorization", token)],
    ];
    for (method, path, _) in hall.operations() {
        for headers in credentials {
            let request = stranger.request(method.clone(), &path);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let reply = Reply::of(request).await;
            assert_eq!((reply.status.as_u16(), fault_of(&reply)), (401, None), "{method} {path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn an_end_user_s_name_holds_to_its_rule_in_every_header() {
    let hall = Hall::new().await;
    let before = hall.inventory().await;
    let long = "a".repeat(257);
    for header in ["x-ms-user-identity", "x-ms-user-isolation-key", "x-session-isolation-key"] {
        for name in ["", " ", "a b", "a/b", "alice/x", "a,b", "a\"b", "\u{e9}", "%2f", "../x", &long] {
            for (method, path) in [(Method::GET, sessions_of("clerk")), (Method::POST, openai("clerk", "/responses"))] {
                let request = hall.desk.alice.request(method.clone(), &path).header(header, name).json(&json!({}));
                let reply = Reply::of(request).await;
                assert_eq!((reply.status.as_u16(), fault_of(&reply)), (400, None), "{method} {header}: {name:?}");
            }
        }
    }
    assert_eq!(hall.inventory().await, before);
}

#[tokio::test]
async fn a_header_comes_back_as_it_was_or_not_at_all() {
    let hall = Hall::new().await;
    let alice = &hall.desk.alice;
    for mark in ["", "one", "with blank", "a:b;c=\"d\"", "\u{e9}", &"x".repeat(6_000)] {
        let reply = ask_with(alice, &[("x-ms-client-request-id", mark)], &json!({"input": "x"})).await;
        reply.expect(200);
        assert_eq!(reply.headers["x-ms-client-request-id"].as_bytes(), mark.as_bytes());
    }
    // A session that the header names, where it counts, holds to the rule of sessions.
    for name in ["a b", "a/b", "seven77", "a;b=c", &"a".repeat(129)] {
        let body = json!({"input": "x", "previous_response_id": hall.response});
        let reply = ask_with(alice, &[("x-agent-session-id", name)], &body).await;
        assert_eq!((reply.status.as_u16(), fault_of(&reply)), (400, None), "{name:?}");
        assert_eq!(reply.json(400)["error"]["param"], "x-agent-session-id");
        assert!(!reply.headers.contains_key("x-agent-session-id"));
    }
    for name in ["line\r\nx-evil: 1", "a\0bcdefgh", "\u{202e}abcdefgh", "caf\u{e9}-session"] {
        let reply = hall.desk.ask(json!({"input": "x", "agent_session_id": name})).await;
        assert_eq!((reply.status.as_u16(), fault_of(&reply)), (400, None), "{name:?}");
        assert!(!reply.headers.contains_key("x-evil") && !reply.headers.contains_key("x-agent-session-id"));
    }
    // What containers are sent, and what the service sends them, is nothing that a client can choose here.
    let forged =
        [("x-agent-response-id", "caresp_x"), ("x-agent-user-id", "bob"), ("x-client-a", "\u{e9}"), ("x-client-b", "")];
    let response = ask_with(alice, &forged, &json!({"input": "x"})).await.json(200);
    assert!(id(&response).len() == "caresp_".len() + 50, "{response}");
}
