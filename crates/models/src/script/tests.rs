use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use sederunt_core::agent::ParameterValue;
use sederunt_core::error::{FaultKind, ModelFault};
use sederunt_core::item::{Context, ItemBody, ToolResult};
use sederunt_core::model::{Model, ModelEvent, ModelRequest, SessionView, Stop};
use sederunt_core::turn::Usage;
use serde_json::json;

use super::*;
use crate::request_fixture::request;

fn script(text: &str) -> Script {
    Script::parse(text, "test.toml").unwrap_or_else(|error| panic!("{error}"))
}

async fn play(script: &Script, request: ModelRequest) -> Vec<Result<ModelEvent, ModelFault>> {
    script.answer(request).collect().await
}

async fn events(script: &Script, request: ModelRequest) -> Vec<ModelEvent> {
    play(script, request).await.into_iter().map(Result::unwrap).collect()
}

fn chunks(events: &[ModelEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| if let ModelEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect()
}

async fn says(script: &Script, request: ModelRequest) -> String {
    chunks(&events(script, request).await).concat()
}

/// The request that follows when the engine has run the open calls of `said` with `output`.
fn after(mut request: ModelRequest, said: &[ModelEvent], output: Result<serde_json::Value, String>) -> ModelRequest {
    for event in said {
        match event {
            ModelEvent::ToolCall(call) => {
                request.so_far.push(ItemBody::ToolCall(call.clone()));
                let answered = |e: &ModelEvent| matches!(e, ModelEvent::ToolResult(result) if result.call == call.call);
                if !said.iter().any(answered) {
                    let result = ToolResult { call: call.call.clone(), output: output.clone() };
                    request.so_far.push(ItemBody::ToolResult(result));
                }
            }
            ModelEvent::ToolResult(result) => request.so_far.push(ItemBody::ToolResult(result.clone())),
            _ => {}
        }
    }
    request.iteration += 1;
    request
}

proptest! {
    #[test]
    fn echo_answers_with_exactly_its_input(input in "\\PC{0,40}|[ \\n\\t\u{2028}a-c🙂é]{0,40}") {
        let echo = Script::builtin();
        let said = events(&echo, request("echo", &input)).now_or_never().expect("echo waits for nothing");
        prop_assert_eq!(chunks(&said).concat(), input);
        prop_assert_eq!(said.last(), Some(&ModelEvent::Stop(Stop::Done)));
    }

    #[test]
    fn however_a_reply_is_cut_the_chunks_are_the_reply(text in "[ \\n\u{a0}a-cé🙂]{0,30}", each in 1usize..9) {
        for by in [file::Chunks::Word, file::Chunks::Char, file::Chunks::Chars(each)] {
            let chunks: Vec<String> = play::Chunked::cut(text.clone(), &by).collect();
            prop_assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
            prop_assert_eq!(chunks.concat(), text.as_str());
        }
    }

    #[test]
    fn no_text_whatever_makes_a_script_panic(text in "\\PC{0,200}") {
        let _ = Script::parse(&text, "any");
        let _ = Script::parse(&format!("[[rule]]\nreply = '''{text}'''\ntext = '''{text}'''"), "any");
    }
}

#[tokio::test]
async fn echo_says_a_word_a_part() {
    let said = events(&Script::builtin(), request("echo", "one  two\nthree")).await;
    assert_eq!(chunks(&said), ["one  ", "two\n", "three"]);
}

#[tokio::test]
async fn without_a_file_the_script_names_itself() {
    let said = says(&Script::builtin(), request("anybody", "hello")).await;
    assert!(said.contains("hello") && said.contains("I am Sederunt's built-in script"), "{said}");
}

#[tokio::test]
async fn the_first_rule_that_fits_answers() {
    let script = script(
        r#"
        [[rule]]
        agent = "team-?"
        text = '(?i)pump (?<name>\w+)'
        reply = "{{ match.name }} {{ match[1] }}"
        [[rule]]
        agent = "team-*"
        turn = 2
        reply = "second"
        [[rule]]
        agent = "team-*"
        reply = "any"
        "#,
    );
    assert_eq!(says(&script, request("team-a", "Pump P7?")).await, "P7 P7");
    assert_eq!(says(&script, request("team-ab", "Pump P7?")).await, "any");
    let second = ModelRequest { turn: 2, ..request("team-a", "x") };
    assert_eq!(says(&script, second).await, "second");
    assert!(says(&script, request("Team-a", "x")).await.contains("built-in"), "built-in rules come last");
}

#[tokio::test]
async fn a_rule_with_times_fails_so_often_and_then_falls_through() {
    let script = script(
        r#"
        [[rule]]
        times = 1
        fault = { kind = "rate_limited" }
        [[rule]]
        reply = "fine"
        "#,
    );
    let looked = script.retrieve(&request("a", "x")).await;
    assert_eq!(looked, Ok(None), "looking uses nothing up");
    assert_eq!(
        play(&script, request("a", "x")).await,
        [Err(ModelFault {
            kind: FaultKind::RateLimited,
            message: FaultKind::RateLimited.to_string(),
            detail: "as the script says".into(),
        })]
    );
    assert_eq!(says(&script, request("a", "x")).await, "fine");
}

#[tokio::test]
async fn input_that_no_rule_fits_fails_the_turn() {
    let script = script("builtin = false\n[[rule]]\ntext = 'x'\nreply = ''");
    let fault = play(&script, request("a", "y")).await.remove(0).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Failed, "no rule of the script fits this input"));
}

#[tokio::test]
async fn replies_are_cut_as_asked() {
    let by = async |chunks_line: &str| {
        let script = script(&format!("[[rule]]\nreply = \"héllo wörld\"\n{chunks_line}"));
        chunks(&events(&script, request("a", "x")).await).join("|")
    };
    assert_eq!(by("").await, "héllo |wörld");
    assert_eq!(by("chunks = 'char'").await, "h|é|l|l|o| |w|ö|r|l|d");
    assert_eq!(by("chunks = 4").await, "héll|o wö|rld");
    let listed = script("[[rule]]\nchunks = [\"a\\n\", \"{{ input }}\\n\"]");
    assert_eq!(chunks(&events(&listed, request("a", "x")).await), ["a\n", "x\n"]);
}

#[tokio::test]
async fn templates_see_the_turn_and_its_session() {
    let script = script(
        r#"
        [[rule]]
        reply = "{{ agent }} {{ turn }} {{ session.title }} {{ session.metadata.team }} {{ session.key }} {{ parameters.site }}{% for said in history %} {{ said.role }}:{{ said.text }}{% endfor %} {{ contexts[0].text }}"
        "#,
    );
    assert!(script.wants_line());
    let mut asked = request("a", "x");
    let metadata = [("team".to_owned(), json!("blue"))].into_iter().collect();
    asked.session = Some(SessionView { key: "k".into(), title: "Pumps".into(), metadata });
    asked.parameters.insert("site".into(), ParameterValue::Text("North".into()));
    asked.line = vec![ItemBody::UserMessage { text: "hi".into() }, ItemBody::AgentMessage { text: "ho".into() }];
    asked.contexts = vec![Context::Passage { source: "s".into(), version: "1".into(), text: "c".into() }];
    assert_eq!(says(&script, asked).await, "a 1 Pumps blue k North user:hi agent:ho c");
    assert!(!Script::builtin().wants_line());
}

/// What a caller brings after `said`, which answered `question`: the line, and an output for each call.
fn brings(question: &str, said: &[ModelEvent], output: serde_json::Value) -> ModelRequest {
    let first = after(request("a", question), said, Ok(output));
    let (results, calls): (Vec<_>, Vec<_>) =
        first.so_far.into_iter().partition(|item| matches!(item, ItemBody::ToolResult(_)));
    let mut line = vec![ItemBody::UserMessage { text: question.into() }];
    line.extend(calls);
    ModelRequest { turn: 2, text: String::new(), input: results, line, ..request("a", "") }
}

const TOOL_OF_THE_CALLER: &str = r#"
    [[rule]]
    text = 'weather in (?<city>\w+)'
    reply = "{{ match.city }}: {{ results[0].output }} ({{ results[0].tool }} of {{ results[0].arguments.city }})"
    [[rule.tools]]
    name = "get_weather"
    arguments = { city = "{{ match.city }}" }
    [[rule]]
    output = '"sky":"Storm"'
    reply = "Stay in: {{ results[0].output.sky }}."
"#;

#[tokio::test]
async fn a_rule_goes_on_when_the_caller_brings_its_tool_s_output() {
    let script = script(TOOL_OF_THE_CALLER);
    assert!(script.wants_line(), "what was asked stands there");
    let said = events(&script, request("a", "weather in Oslo?")).await;
    let answer = brings("weather in Oslo?", &said, json!("rain"));
    assert_eq!(says(&script, answer.clone()).await, "Oslo: rain (get_weather of Oslo)");

    let mut with_text = ModelRequest { text: "weather in Rome?".into(), ..answer };
    with_text.input.push(ItemBody::UserMessage { text: "weather in Rome?".into() });
    let said = events(&script, with_text).await;
    assert!(matches!(&said[0], ModelEvent::ToolCall(call) if call.arguments["city"] == "Rome"), "{said:?}");
}

#[tokio::test]
async fn a_rule_about_an_output_goes_before_the_one_that_called() {
    let script = script(TOOL_OF_THE_CALLER);
    let said = events(&script, request("a", "weather in Oslo?")).await;
    let answer = brings("weather in Oslo?", &said, json!({"sky": "Storm"}));
    assert_eq!(says(&script, answer).await, "Stay in: Storm.");
}

#[tokio::test]
async fn a_caller_who_tells_the_whole_story_again_is_understood() {
    let script = script(TOOL_OF_THE_CALLER);
    let said = events(&script, request("a", "weather in Oslo?")).await;
    let continued = brings("weather in Oslo?", &said, json!("rain"));
    let told = ModelRequest {
        text: "weather in Oslo?".into(),
        input: continued.line.into_iter().chain(continued.input).collect(),
        ..request("a", "")
    };
    assert_eq!(says(&script, told).await, "Oslo: rain (get_weather of Oslo)");
}

#[tokio::test]
async fn outputs_for_calls_of_another_model_meet_the_rules_as_they_stand() {
    let script = script("builtin = false\n[[rule]]\nreply = 'got {{ results[0].output }}'");
    assert!(!script.wants_line());
    for id in ["call_7_0", "call_0_0", "fc_1"] {
        let result = ToolResult { call: id.into(), output: Ok(json!(4)) };
        let asked = ModelRequest { input: vec![ItemBody::ToolResult(result)], ..request("a", "") };
        assert_eq!(says(&script, asked).await, "got 4");
    }
}

#[tokio::test]
async fn a_refusal_is_said_piece_by_piece() {
    let script = script("[[rule]]\nrefusal = 'Not {{ input }}.'\nusage = 'words'");
    let said = events(&script, request("a", "that")).await;
    assert_eq!(
        said,
        [
            ModelEvent::Refusal("Not ".into()),
            ModelEvent::Refusal("that.".into()),
            ModelEvent::Usage(Usage { input: 1, output: 2, ..Usage::default() }),
            ModelEvent::Stop(Stop::Done),
        ]
    );
}

#[tokio::test]
async fn json_is_answered_wrong_at_first_and_right_when_asked_again() {
    let script = script(
        r#"
        [[rule]]
        iteration = 0
        reply = '{"city": 5}'
        [[rule]]
        json = { city = "{{ input }}", of = [1, { b = true }] }
        chunks = 100
        "#,
    );
    assert_eq!(says(&script, request("a", "Oslo")).await, r#"{"city": 5}"#);
    let again = ModelRequest { iteration: 1, ..request("a", "Oslo") };
    assert_eq!(says(&script, again).await, r#"{"city":"Oslo","of":[1,{"b":true}]}"#);
}

#[tokio::test]
async fn a_template_that_never_ends_is_a_fault() {
    let script = script(
        "[[rule]]\nreply = '{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}'",
    );
    let fault = play(&script, request("a", "x")).await.remove(0).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
}

#[tokio::test]
async fn tools_with_a_result_are_called_and_answered_at_once() {
    let said = events(&Script::builtin(), request("support", "Where is order 1042?")).await;
    let [ModelEvent::Reasoning(_), ModelEvent::ToolCall(call), ModelEvent::ToolResult(result), .., update, usage, stop] =
        said.as_slice()
    else {
        panic!("{said:?}")
    };
    assert_eq!(call.arguments["id"], json!("1042"));
    assert_eq!(result.output.as_ref().unwrap()["state"], json!("on its way"));
    assert_eq!(chunks(&said).concat(), "Order **1042** is on its way and should arrive in 2 days.");
    let value = ParameterValue::Text("1042".into());
    assert_eq!(update, &ModelEvent::ParameterUpdate { name: "last_order".into(), value });
    assert!(matches!(usage, ModelEvent::Usage(Usage { input: 4, .. })), "{usage:?}");
    assert_eq!(stop, &ModelEvent::Stop(Stop::Done));
}

#[tokio::test]
async fn tools_without_a_result_wait_for_the_engine_group_by_group() {
    let script = script(
        r#"
        [[rule]]
        times = 1
        reply = "{{ results[0].output }} then {{ results[1].error }}"
        [[rule.tools]]
        name = "find"
        [[rule.tools]]
        name = "check"
        group = 1
        arguments = { found = "{{ results[0].output }}", deep = [{ n = 1 }] }
        "#,
    );
    let first = request("a", "x");
    let said = events(&script, first.clone()).await;
    let [ModelEvent::ToolCall(find), ModelEvent::Stop(Stop::Done)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(find.tool, "find");

    let second = after(first, &said, Ok(json!("P7")));
    let said = events(&script, second.clone()).await;
    let [ModelEvent::ToolCall(check), ModelEvent::Stop(Stop::Done)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((check.group, json!(check.arguments)), (0, json!({"found": "P7", "deep": [{"n": 1}]})));
    assert_ne!(check.call, find.call);

    let third = after(second, &said, Err("too deep".into()));
    assert_eq!(says(&script, third).await, "P7 then too deep");
}

#[tokio::test]
async fn groups_made_in_one_answer_are_numbered() {
    let tools = ["name = 'a'", "name = 'b'", "name = 'c'\ngroup = 7"]
        .map(|tool| format!("[[rule.tools]]\nresult = 1\n{tool}\n"));
    let script = script(&format!("[[rule]]\nreply = '{{{{ results | length }}}}'\n{}", tools.concat()));
    let said = events(&script, request("a", "x")).await;
    let groups = said.iter().filter_map(|event| match event {
        ModelEvent::ToolCall(call) => Some((call.tool.as_str(), call.group)),
        _ => None,
    });
    assert_eq!(groups.collect::<Vec<_>>(), [("a", 0), ("b", 0), ("c", 1)]);
    assert_eq!(chunks(&said), ["3"]);
}

#[test]
fn the_sample_changes_only_what_its_agent_declares() {
    let agent: sederunt_core::agent::Definition = toml::from_str(SUPPORT_AGENT).unwrap();
    assert!(agent.may_change("last_order") && SUPPORT.contains("parameters = { last_order ="));
}

#[tokio::test]
async fn repeated_tools_never_come_to_a_reply() {
    let script = script("[[rule]]\nrepeat_tools = true\n[[rule.tools]]\nname = 'again'");
    let mut asked = request("a", "x");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let said = events(&script, asked.clone()).await;
        let [ModelEvent::ToolCall(call), ModelEvent::Stop(Stop::Done)] = said.as_slice() else { panic!("{said:?}") };
        assert!(seen.insert(call.call.clone()), "a call's id is its own");
        asked = after(asked, &said, Ok(json!(null)));
    }
}

#[tokio::test]
async fn steered_input_is_answered_in_the_place_of_the_first() {
    let mut asked = request("echo", "first");
    asked.so_far = vec![ItemBody::AgentMessage { text: "fi".into() }, ItemBody::UserMessage { text: "second".into() }];
    assert_eq!(says(&Script::builtin(), asked).await, "second");
}

#[tokio::test]
async fn retrieval_tells_nothing_configured_from_nothing_found() {
    let support = Script::builtin();
    let looked = async |agent, text| support.retrieve(&request(agent, text)).await.unwrap();
    assert_eq!(looked("echo", "x").await, None);
    assert_eq!(looked("support", "x").await, Some(vec![]));
    assert!(matches!(looked("support", "order 1").await.unwrap()[..], [Context::Passage { .. }]));
    let objects = script("[[rule]]\nreply = ''\ncontexts = [{ objects = ['pump {{ input }}'], properties = ['due'] }]");
    let found = objects.retrieve(&request("a", "P7")).await.unwrap();
    assert_eq!(found, Some(vec![Context::Objects { objects: vec!["pump P7".into()], properties: vec!["due".into()] }]));
}

#[tokio::test]
async fn parameters_usage_and_stop_are_as_written() {
    let script = script(
        r#"
        [[rule]]
        reply = "x"
        parameters = { site = "{{ input }}", set = { of = [1, "{{ turn }}"] } }
        usage = { input = 12, output = 34 }
        stop = "length"
        "#,
    );
    let said = events(&script, request("a", "North")).await;
    assert_eq!(
        said[1..],
        [
            ModelEvent::ParameterUpdate { name: "site".into(), value: ParameterValue::Text("North".into()) },
            ModelEvent::ParameterUpdate { name: "set".into(), value: ParameterValue::Data(json!({"of": [1, "1"]})) },
            ModelEvent::Usage(Usage { input: 12, output: 34, ..Usage::default() }),
            ModelEvent::Stop(Stop::Length),
        ]
    );
}

#[tokio::test]
async fn every_fault_can_be_provoked_in_the_middle_of_a_reply() {
    for (name, kind) in [
        ("context_too_large", FaultKind::ContextTooLarge),
        ("iterations", FaultKind::Iterations),
        ("rate_limited", FaultKind::RateLimited),
        ("retries_used_up", FaultKind::RetriesUsedUp),
        ("deadline_passed", FaultKind::DeadlinePassed),
        ("refused", FaultKind::Refused),
        ("unavailable", FaultKind::Unavailable),
        ("broken_stream", FaultKind::BrokenStream),
        ("failed", FaultKind::Failed),
    ] {
        let script = script(&format!(
            "[[rule]]\nreply = 'a b c'\nusage = 'words'\nfault = {{ kind = '{name}', after = 2, message = 'm', detail = 'd' }}"
        ));
        let fault = ModelFault { kind, message: "m".into(), detail: "d".into() };
        assert_eq!(
            play(&script, request("a", "x")).await,
            [Ok(ModelEvent::Text("a ".into())), Ok(ModelEvent::Text("b ".into())), Err(fault),]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn delays_come_before_anything_and_between_chunks() {
    let script = script("[[rule]]\nreply = 'a b c'\nfirst_delay = '2s'\ndelay = '50ms'");
    let start = tokio::time::Instant::now();
    let mut answer = script.answer(request("a", "x"));
    let mut at = Vec::new();
    while let Some(event) = answer.next().await {
        event.unwrap();
        at.push(start.elapsed().as_millis() / 10 * 10);
    }
    assert_eq!(at, [2000, 2050, 2100, 2100]);
}

#[tokio::test(start_paused = true)]
async fn a_hang_never_ends() {
    let script = script("[[rule]]\nreply = 'a b'\nfault = { kind = 'hang', after = 1 }");
    let mut answer = script.answer(request("a", "x"));
    assert_eq!(answer.next().await, Some(Ok(ModelEvent::Text("a ".into()))));
    assert!(tokio::time::timeout(Duration::from_secs(86_400), answer.next()).await.is_err());
}

#[test]
fn errors_name_the_line_and_what_may_have_been_meant() {
    let error = |text: &str| Script::parse(text, "my.toml").unwrap_err().to_string();
    let told = error("[[rule]]\nreply = ''\n\n[[rule]]\nrepyl = 'x'\n");
    assert!(
        told.starts_with("my.toml:5: unknown field `repyl`") && told.ends_with("(did you mean 'reply'?)"),
        "{told}"
    );
    let told = error("[[rule]]\nreply = '{{ inptu }}'\n");
    assert_eq!(told, "my.toml:1: in this rule: reply: there is no variable 'inptu' (did you mean 'input'?)");
    let told = error("[[rule]]\nfault = { kind = 'rate_limit' }");
    assert!(
        told.starts_with("my.toml:2: unknown variant") && told.ends_with("(did you mean 'rate_limited'?)"),
        "{told}"
    );
    for (text, part) in [
        ("[[rule]]\nreply = '{{ input'", "reply: "),
        ("[[rule]]\nreply = ''\ntext = '('", "text: "),
        ("[[rule]]\nreply = ''\nagent = 'a b'", "agent: "),
        ("[[rule]]\nreply = ''\ndelay = '5 parsecs'", "no duration"),
        ("[[rule]]\nreply = ''\nchunks = 0", "chunks: write"),
        ("[[rule]]\nreply = ''\nusage = { input = 1, outptu = 2 }", "unknown field `outptu`"),
        ("[[rule]]\nreply = ''\ncontexts = [{ source = 's' }]", "a context is"),
        ("[[rule]]\nreply = 'a'\nchunks = ['b']", "not both"),
        ("[[rule]]\nreply = 'a'\nrefusal = 'b'", "one of reply, json and refusal"),
        ("[[rule]]\nreply = ''\noutput = '('", "output: "),
        ("[[rule]]\nagent = 'a'", "does nothing"),
        ("[[rule]]\nreply = 'a'\nrepeat_tools = true", "repeat_tools"),
        ("[[rule]\n", "my.toml:1: "),
    ] {
        let told = error(text);
        assert!(told.contains(part), "{told} does not say {part}");
    }
}

#[test]
fn every_script_in_the_documentation_reads() {
    let page = include_str!("../../../../docs/scripts.md");
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 5, "the page shows scripts");
    for block in &blocks {
        Script::parse(block, "docs/scripts.md").unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
    assert!(blocks.contains(&SUPPORT), "the sample is quoted whole");
}
