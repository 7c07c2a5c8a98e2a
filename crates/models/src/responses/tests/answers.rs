use super::*;

#[tokio::test]
async fn an_answer_is_streamed_with_its_counts() {
    let usage = json!({
        "input_tokens": 7, "input_tokens_details": {"cached_tokens": 2},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 10,
    });
    let summary = |part: u64, delta: &str| {
        let members = json!({"output_index": 0, "summary_index": part, "delta": delta});
        event("response.reasoning_summary_text.delta", members)
    };
    let server = Server::start([streams(&[
        &event("response.created", json!({"response": {"status": "in_progress", "error": null}})),
        &summary(0, "hm"),
        &summary(1, "ah"),
        &done(0, json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]})),
        &text(1, "Hello"),
        &text(1, " world"),
        &done(1, said("Hello world")),
        &completed(json!({"status": "completed", "usage": usage, "output": [{}, said("Hello world")]})),
    ])])
    .await;
    let mut settings = settings(&[&server]);
    settings.model = Some("large".into());
    settings.api_key = Some(Secret::new("sk-1\n"));
    settings.headers = vec![("x-team".into(), Secret::new("blue"))];
    settings.body = json!({"reasoning": {"summary": "auto"}}).as_object().cloned().unwrap();
    let told = ask(settings, request("a", "Hi")).await;
    assert_eq!(
        told,
        [
            Ok(ModelEvent::Reasoning("hm".into())),
            Ok(ModelEvent::Reasoning("\n\n".into())),
            Ok(ModelEvent::Reasoning("ah".into())),
            Ok(ModelEvent::Text("Hello".into())),
            Ok(ModelEvent::Text(" world".into())),
            Ok(ModelEvent::Usage(Usage { input: 7, cached: 2, output: 3, reasoning: 1 })),
            Ok(ModelEvent::Stop(Stop::Done)),
        ]
    );
    let asked = server.asked();
    assert_eq!(asked.line, "POST /responses");
    assert_eq!(
        (&asked.headers["authorization"], &asked.headers["x-team"]),
        (&"Bearer sk-1".parse().unwrap(), &"blue".parse().unwrap())
    );
    assert_eq!(
        asked.body,
        json!({
            "reasoning": {"summary": "auto"}, "model": "large",
            "input": [{"type": "message", "role": "user", "content": "Hi"}], "store": false, "stream": true,
        })
    );
}

#[tokio::test]
async fn calls_and_what_has_no_word_are_told_whole() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let function = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "pump_list", "arguments": arguments});
    let server = Server::start([streams(&[
        &event("response.function_call_arguments.delta", json!({"output_index": 0, "delta": "{\"n\""})),
        &done(0, function("c1", "{\"n\":1}")),
        &done(1, json!({"type": "function_call_output", "call_id": "c1", "output": "two"})),
        &done(2, function("c2", "[]")),
        &done(3, search.clone()),
        &done(4, function("c1", "")),
        &completed(json!({})),
    ])])
    .await;
    let told = ask(settings(&[&server]), ModelRequest { tools: vec![tool("pump list")], ..request("a", "x") }).await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    let result = |call: &str, output| ModelEvent::ToolResult(ToolResult { call: call.into(), output });
    assert_eq!(
        told,
        [
            ModelEvent::ToolCall(call("c1", "pump list", json!({"n": 1}))),
            result("c1", Ok(json!("two"))),
            ModelEvent::ToolCall(call("c2", "pump list", json!({}))),
            result("c2", Err("the arguments are not a JSON object".into())),
            ModelEvent::Item(ItemBody::Opaque { dialect: "responses".into(), value: search }),
            ModelEvent::ToolCall(call("call_2", "pump list", json!({}))),
            ModelEvent::Stop(Stop::Done),
        ]
    );
}

#[tokio::test]
async fn two_messages_stay_two_and_none_is_mixed_with_another() {
    let told = events(streams(&[
        &text(0, "on"),
        &text(1, "two"),
        &done(1, said("two")),
        &text(0, "e"),
        &done(0, said("one")),
        &event("response.refusal.delta", json!({"output_index": 2, "delta": "No."})),
        &done(2, json!({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})),
        &done(3, said("three")),
        &completed(json!({})),
    ]))
    .await;
    assert_eq!(
        told,
        [
            ModelEvent::Text("on".into()),
            ModelEvent::Text("e".into()),
            ModelEvent::Item(ItemBody::AgentMessage { text: "two".into() }),
            ModelEvent::Refusal("No.".into()),
            ModelEvent::Text("three".into()),
            ModelEvent::Stop(Stop::Done),
        ]
    );
}

#[tokio::test]
async fn what_only_the_last_event_tells_is_told() {
    let response = json!({"output": [said("one"), said("two")], "incomplete_details": {"reason": "max_output_tokens"}});
    let told = events(streams(&[&text(0, "on"), &event("response.incomplete", json!({"response": response}))])).await;
    assert_eq!(
        told,
        [
            ModelEvent::Text("on".into()),
            ModelEvent::Item(ItemBody::AgentMessage { text: "two".into() }),
            ModelEvent::Stop(Stop::Length),
        ]
    );
    let response = json!({"incomplete_details": {"reason": "content_filter"}});
    let told = events(streams(&[&event("response.incomplete", json!({"response": response}))])).await;
    assert_eq!(told, [ModelEvent::Stop(Stop::Filtered)]);
}

#[tokio::test]
async fn comments_say_nothing_and_an_answer_that_has_ended_is_whole() {
    let mut answer = streams(&[]);
    let frames = format!(
        ": keep-alive\n\nevent: x\ndata: {}\n\n: keep-alive\n\ndata: {}\n\n",
        text(0, "né"),
        completed(json!({}))
    );
    answer.pieces = frames.as_bytes().chunks(1).map(Bytes::copy_from_slice).collect();
    answer.end = End::Cut;
    assert_eq!(events(answer).await, [ModelEvent::Text("né".into()), ModelEvent::Stop(Stop::Done)]);
}

#[tokio::test]
async fn errors_are_named_and_a_model_server_s_words_stay_in_the_log() {
    let failed = |code: &str| {
        let response = json!({"status": "failed", "error": {"code": code, "message": "told sk-1"}});
        event("response.failed", json!({"response": response}))
    };
    let flat = |code: &str| event("error", json!({"code": code, "message": "told sk-1", "param": null}));
    let nested = json!({"error": {"code": "rate_limit_exceeded", "message": "told sk-1"}}).to_string();
    for (told, kind) in [
        (failed("rate_limit_exceeded"), FaultKind::RateLimited),
        (failed("context_length_exceeded"), FaultKind::ContextTooLarge),
        (failed("content_filter"), FaultKind::Refused),
        (failed("server_error"), FaultKind::Failed),
        (flat("server_error"), FaultKind::Failed),
        (flat("context_length_exceeded"), FaultKind::ContextTooLarge),
        (nested, FaultKind::RateLimited),
    ] {
        for container in [false, true] {
            let server = Server::start([streams(&[&text(0, "a"), &told])]).await;
            let key = Some(Secret::new("sk-1"));
            let fault = fault(Settings { api_key: key, container, ..settings(&[&server]) }).await;
            assert_eq!(fault.kind, kind, "{told}");
            let words = if container { "told [secret]".to_owned() } else { kind.to_string() };
            assert_eq!(fault.message, words);
            assert!(fault.detail.contains("told [secret]"), "{}", fault.detail);
        }
    }
}

#[tokio::test]
async fn a_stream_without_an_end_is_broken_and_an_agent_s_failure_is_not_repeated() {
    for answer in [
        streams(&[&text(0, "half")]),
        streams(&[&text(0, "half"), "[DONE]"]),
        Answer { end: End::Cut, ..streams(&[&text(0, "half")]) },
        streams(&[&text(0, "half"), "<html>"]),
    ] {
        let server = Server::start([answer]).await;
        assert_eq!(fault(settings(&[&server])).await.kind, FaultKind::BrokenStream);
    }
    let answer = || refuses(500, r#"{"error": {"message": "the agent raised"}}"#);
    let server = Server::start([answer(), answer(), answer()]).await;
    let fault_of_agent = fault(Settings { container: true, ..settings(&[&server]) }).await;
    assert_eq!((server.times_asked(), fault_of_agent.message.as_str()), (1, "the agent raised"));
    let server = Server::start([answer(), answer(), answer()]).await;
    assert_eq!(fault(settings(&[&server])).await.kind, FaultKind::RetriesUsedUp);
    assert_eq!(server.times_asked(), 3);
}

#[tokio::test]
async fn an_agent_that_hangs_up_is_not_asked_again_since_it_may_have_begun() {
    let asked = async |container: bool| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings {
            container,
            model: Some("m".into()),
            ..Settings::new([format!("http://{}", listener.local_addr().unwrap())])
        };
        let mut times = 0;
        let hang_up = async {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                times += 1;
                tokio::io::AsyncReadExt::read(&mut connection, &mut [0; 64]).await.unwrap();
            }
        };
        let fault = tokio::select! {
            fault = fault(settings) => fault,
            () = hang_up => unreachable!("it listens for ever"),
        };
        (times, fault.kind)
    };
    assert_eq!(asked(true).await, (1, FaultKind::Unavailable));
    assert_eq!(asked(false).await, (3, FaultKind::RetriesUsedUp));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let set_up = |urls: &[&str]| {
        Responses::new(Settings::new(urls.iter().copied()), client(None).unwrap(), Arc::new(SeededChance::new(1)))
    };
    assert!(matches!(set_up(&[]), Err(SetupError::BaseUrl(_))));
    assert!(matches!(set_up(&["http://x", "localhost:1"]), Err(SetupError::BaseUrl(_))));
}

proptest! {
    #[test]
    fn no_events_make_the_reader_panic_or_end_twice(
        events in proptest::collection::vec(
            (
                prop::sample::select(vec![
                    "response.output_text.delta", "response.refusal.delta", "response.reasoning_text.delta",
                    "response.reasoning_summary_text.delta", "response.output_item.done", "response.completed", "other",
                ]),
                0u64..4,
                prop::sample::select(vec!["message", "reasoning", "function_call", "function_call_output", "x"]),
                "[ab]{0,3}",
            ),
            0..24,
        ),
        garbage in "\\PC{0,40}",
    ) {
        let asked = request("a", "x");
        let mut reader = Assembly::new(Names::of(&[]), &asked, false);
        let mut out = VecDeque::new();
        for (kind, at, item, text) in events {
            let content = json!([{"type": "output_text", "text": text}]);
            let item = json!({"type": item, "content": content, "summary": content, "call_id": text, "name": "t", "arguments": text});
            let told = event(kind, json!({"output_index": at, "delta": text, "item": item, "response": {"output": [item]}}));
            prop_assert!(reader.take(&told, &mut out).is_ok());
        }
        let stopped = reader.has_stopped();
        let _ = reader.take(&garbage, &mut out);
        prop_assert_eq!(reader.finish(&mut out).is_ok(), stopped);
        prop_assert_eq!(out.iter().filter(|e| matches!(e, ModelEvent::Stop(_))).count(), usize::from(stopped));
        let ids: Vec<_> = out.iter().filter_map(|e| if let ModelEvent::ToolCall(call) = e { Some(&call.call) } else { None }).collect();
        prop_assert_eq!(ids.len(), ids.iter().collect::<std::collections::HashSet<_>>().len(), "ids are unique");
    }
}
