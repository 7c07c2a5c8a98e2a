use super::*;

#[tokio::test]
async fn the_conversation_is_told_as_items() {
    let server = Server::start([streams(&[&completed(json!({}))])]).await;
    let mut asked = request("a", "And now?");
    asked.instructions = Some("Be brief.".into());
    asked.line = vec![
        ItemBody::UserMessage { text: "Pumps?".into() },
        ItemBody::Reasoning { text: "hm".into() },
        ItemBody::ToolCall(call("c1", "pump list", json!({"n": 1}))),
        ItemBody::ToolCall(call("c2", "pump list", json!({}))),
        ItemBody::Refusal { text: "No.".into() },
        ItemBody::Opaque { dialect: "responses".into(), value: json!({"type": "web_search_call"}) },
    ];
    asked.input.insert(0, ItemBody::ToolResult(ToolResult { call: "c1".into(), output: Ok(json!({"pumps": 2})) }));
    asked.input.insert(1, ItemBody::ToolResult(ToolResult { call: "c9".into(), output: Ok(json!(0)) }));
    asked.input.insert(2, ItemBody::SystemMessage { text: "In French.".into() });
    asked.tools = vec![tool("pump list")];
    asked.options = ModelOptions {
        temperature: Some(0.5),
        max_output_tokens: Some(7),
        reasoning_effort: Some("low".into()),
        tool_choice: Some(ToolChoice::Tool("pump list".into())),
        parallel_tool_calls: Some(false),
        format: Some(AnswerFormat::JsonSchema { name: "f".into(), schema: json!({}), strict: true }),
        ..ModelOptions::default()
    };
    ask(settings(&[&server]), asked).await;
    let message = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    let called = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "pump_list", "arguments": arguments});
    let output = |id: &str, text: &str| json!({"type": "function_call_output", "call_id": id, "output": text});
    assert_eq!(
        server.asked().body,
        json!({
            "temperature": 0.5, "max_output_tokens": 7, "reasoning": {"effort": "low"},
            "tool_choice": {"type": "function", "name": "pump_list"}, "parallel_tool_calls": false,
            "text": {"format": {"type": "json_schema", "name": "f", "schema": {}, "strict": true}},
            "instructions": "Be brief.",
            "input": [
                message("user", "Pumps?"),
                called("c1", "{\"n\":1}"), called("c2", "{}"), output("c2", "Error: there is no result"),
                message("assistant", "No."),
                output("c1", "{\"pumps\":2}"),
                message("system", "In French."),
                message("user", "And now?"),
            ],
            "tools": [{"type": "function", "name": "pump_list", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "store": false, "stream": true,
        })
    );
}

fn wired(text: &str) -> ModelRequest {
    let wire = Wire {
        dialect: "vendor".into(),
        body: json!({"input": text, "background": true, "stream": false, "store": true, "other": {"x": 1}}),
        headers: [("x-agent-user-id", "u"), ("Authorization", "Bearer theirs"), ("cookie", "c"), ("HOST", "h")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    ModelRequest { wire: Some(Arc::new(wire)), session: session("s1"), ..request("a", text) }
}

#[tokio::test]
async fn a_container_gets_the_request_as_it_came_but_as_a_stream() {
    let server =
        Server::start([streams(&[&done(0, json!({"type": "wf", "id": "wf_1"})), &completed(json!({}))])]).await;
    let told = ask(container(&[&server]), wired("Hi")).await;
    let value = json!({"type": "wf", "id": "wf_1"});
    assert_eq!(told[0], Ok(ModelEvent::Item(ItemBody::Opaque { dialect: "vendor".into(), value })));
    let asked = server.asked();
    assert_eq!(asked.body, json!({"input": "Hi", "stream": true, "store": true, "other": {"x": 1}}));
    assert_eq!(asked.headers["x-agent-user-id"], "u");
    assert!(!asked.headers.contains_key("authorization") && !asked.headers.contains_key("cookie"));
    assert_ne!(asked.headers["host"], "h");
}

#[tokio::test]
async fn a_container_is_told_of_another_dialect_s_turn_in_words_it_understands() {
    let server = Server::start([streams(&[&completed(json!({}))]), streams(&[&completed(json!({}))])]).await;
    ask(Settings { wire: Some("other".into()), ..container(&[&server]) }, wired("Hi")).await;
    let asked = server.asked();
    let message = json!({"type": "message", "role": "user", "content": "Hi"});
    assert_eq!(asked.body, json!({"input": [message], "agent_session_id": "s1", "store": false, "stream": true}));
    assert!(!asked.headers.contains_key("x-agent-user-id"));

    let mut again = wired("Hi");
    again.so_far = vec![
        ItemBody::ToolCall(call("c1", "t", json!({}))),
        ItemBody::ToolResult(ToolResult { call: "c1".into(), output: Err("no".into()) }),
    ];
    ask(container(&[&server]), again).await;
    let input = server.asked().body["input"].clone();
    assert_eq!((&input[0], &input[2]["output"]), (&message, &json!("Error: no")));
}

#[tokio::test]
async fn a_session_stays_with_one_of_several_servers() {
    let answers = || (0..40).map(|_| streams(&[&completed(json!({}))]));
    let (a, b) = (Server::start(answers()).await, Server::start(answers()).await);
    for key in 0..10 {
        let before = (a.times_asked(), b.times_asked());
        for _ in 0..3 {
            let request = ModelRequest { session: session(&key.to_string()), ..request("a", "x") };
            ask(settings(&[&a, &b]), request).await;
        }
        let more = (a.times_asked() - before.0, b.times_asked() - before.1);
        assert!(more == (3, 0) || more == (0, 3), "{more:?}");
    }
    assert!(a.times_asked() > 0 && b.times_asked() > 0, "the sessions are spread");
}
