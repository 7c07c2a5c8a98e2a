"""Session.blockingContinue: results, the record, parameters, faults."""

import threading

import pytest
from foundry_sdk import ConflictError, ReadTimeout
from foundry_sdk.v2.aip_agents.errors import (
    AgentIterationsExceededLimit,
    ContextSizeExceededLimit,
    RateLimitExceeded,
    RetryAttemptsExceeded,
    RetryDeadlineExceeded,
    SessionExecutionFailed,
    SessionNotFound,
    SessionTraceIdAlreadyExists,
    UnsupportedLanguageModelRid,
)
from talk import exchanges, first, new_id, request, say, streaming, text, until


def test_the_result_is_what_content_holds(sessions, alice, scripted, scripted_session):
    result = say(alice, scripted, scripted_session, "three words")
    assert result.agent_markdown_response == "one two three"
    assert result.parameter_updates == {}
    assert result.total_tokens_used == 10
    assert result.interrupted_output is False
    content = sessions.Content.get(scripted, scripted_session)
    assert [(exchange.user_input.text, exchange.result) for exchange in content.exchanges] == [("three words", result)]
    assert content.exchanges[0].contexts is None


@pytest.mark.parametrize("message", ["", " ", "Grüße, 東京 🐝", "a\nb\tc\"\\", "x" * 100_000])
def test_any_text_comes_back_from_echo_unchanged(alice, echo, session, message):
    assert say(alice, echo, session, message).agent_markdown_response == message
    assert exchanges(alice, echo, session) == [(message, message)]


def test_a_later_turn_sees_the_earlier_ones(alice, scripted, scripted_session):
    say(alice, scripted, scripted_session, "first of several")
    said = say(alice, scripted, scripted_session, "what did I say?").agent_markdown_response
    assert said.splitlines() == ["user: first of several", "agent: noted"]
    assert [message for message, _ in exchanges(alice, scripted, scripted_session)] == [
        "first of several",
        "what did I say?",
    ]


FAULTS = {
    "context_too_large": ContextSizeExceededLimit,
    "iterations": AgentIterationsExceededLimit,
    "rate_limited": RateLimitExceeded,
    "retries_used_up": RetryAttemptsExceeded,
    "deadline_passed": RetryDeadlineExceeded,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_the_model_has_its_own_error(alice, scripted, scripted_session, kind):
    with pytest.raises(FAULTS[kind]) as failed:
        say(alice, scripted, scripted_session, f"fault {kind}")
    details = failed.value.parameters.pop("details")
    assert "told to the caller" in details
    assert failed.value.parameters == {"agentRid": scripted, "sessionRid": scripted_session}


@pytest.mark.parametrize("kind", ["refused", "unavailable", "failed"])
def test_any_other_fault_is_a_failed_execution(alice, scripted, scripted_session, kind):
    with pytest.raises(SessionExecutionFailed) as failed:
        say(alice, scripted, scripted_session, f"fault {kind}")
    parameters = failed.value.parameters
    assert set(parameters) == {"agentRid", "sessionRid", "message", "details"}
    assert (parameters["agentRid"], parameters["sessionRid"]) == (scripted, scripted_session)
    assert "told to the caller" in parameters["message"]
    assert "for the log alone" not in str(parameters)


def test_a_stream_that_breaks_upstream_is_a_failed_execution(alice, scripted, scripted_session):
    with pytest.raises(SessionExecutionFailed):
        say(alice, scripted, scripted_session, "break")


CODES = {
    "context_too_large": (400, "INVALID_ARGUMENT", "ContextSizeExceededLimit"),
    "iterations": (400, "INVALID_ARGUMENT", "AgentIterationsExceededLimit"),
    "rate_limited": (400, "CUSTOM_CLIENT", "RateLimitExceeded"),
    "retries_used_up": (400, "CUSTOM_CLIENT", "RetryAttemptsExceeded"),
    "deadline_passed": (400, "CUSTOM_CLIENT", "RetryDeadlineExceeded"),
    "failed": (500, "INTERNAL", "SessionExecutionFailed"),
}


@pytest.mark.parametrize("kind", CODES)
def test_faults_have_the_vendors_status_and_code(server, scripted, scripted_session, kind):
    path = f"/agents/{scripted}/sessions/{scripted_session}/blockingContinue?preview=true"
    request(server, "POST", path, {"userInput": {"text": f"fault {kind}"}}).error(*CODES[kind])


def test_a_failed_exchange_changes_nothing_but_uses_its_trace_id(sessions, alice, scripted, scripted_session):
    say(alice, scripted, scripted_session, "three words")
    before = sessions.get(scripted, scripted_session)
    trace = new_id()
    with pytest.raises(SessionExecutionFailed):
        say(alice, scripted, scripted_session, "break", session_trace_id=trace)
    assert sessions.get(scripted, scripted_session) == before
    assert exchanges(alice, scripted, scripted_session) == [("three words", "one two three")]
    assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "COMPLETE"
    with pytest.raises(SessionTraceIdAlreadyExists):
        say(alice, scripted, scripted_session, "three words", session_trace_id=trace)
    said = say(alice, scripted, scripted_session, "what did I say?").agent_markdown_response
    assert said.splitlines() == ["user: three words", "agent: one two three"]


def test_tools_called_for_ever_meet_the_limit_of_iterations(server, alice, sessions):
    agent = server.create_agent('key = "looping"\nname = "Looping"\n[limits]\niterations = 3\n')
    session = sessions.create(agent).rid
    with pytest.raises(AgentIterationsExceededLimit):
        say(alice, agent, session, "anything")
    assert exchanges(alice, agent, session) == []


def test_a_turn_past_its_time_limit_is_a_passed_deadline(server, alice, sessions):
    agent = server.create_agent('key = "deadline"\nname = "Deadline"\n[limits]\nturn_timeout = 1\n')
    session = sessions.create(agent).rid
    with pytest.raises(RetryDeadlineExceeded):
        say(alice, agent, session, "anything")
    assert exchanges(alice, agent, session) == []


def test_a_trace_id_is_used_once_in_its_session(alice, sessions, echo, session):
    trace = new_id()
    assert say(alice, echo, session, "one", session_trace_id=trace).session_trace_id == trace
    for spelling in (trace, trace.upper()):
        with pytest.raises(SessionTraceIdAlreadyExists) as refused:
            say(alice, echo, session, "two", session_trace_id=spelling)
        assert refused.value.parameters == {"agentRid": echo, "sessionRid": session, "sessionTraceId": trace}
    with pytest.raises(SessionTraceIdAlreadyExists):
        sessions.streaming_continue(echo, session, user_input=text("x"), parameter_inputs={}, session_trace_id=trace)
    assert exchanges(alice, echo, session) == [("one", "one")]
    assert say(alice, echo, sessions.create(echo).rid, "elsewhere", session_trace_id=trace).session_trace_id == trace


def test_a_trace_id_is_made_if_none_is_given(alice, echo, session):
    first, second = (say(alice, echo, session, "x").session_trace_id for _ in range(2))
    assert first != second


def test_a_second_exchange_at_the_same_time_is_a_conflict_that_changes_nothing(sessions, alice, scripted, scripted_session):
    trace = new_id()
    with streaming(alice, scripted, scripted_session, "hang", message_id=(message := new_id())) as chunks:
        assert first(chunks, "one two ")
        for attempt in (
            lambda: say(alice, scripted, scripted_session, "three words", session_trace_id=trace),
            lambda: sessions.streaming_continue(
                scripted, scripted_session, user_input=text("three words"), parameter_inputs={}, message_id=new_id()
            ),
        ):
            with pytest.raises(ConflictError) as refused:
                attempt()
            assert (refused.value.name, refused.value.error_code) == ("Default:Conflict", "CONFLICT")
        sessions.cancel(scripted, scripted_session, message_id=message)
    assert exchanges(alice, scripted, scripted_session) == []
    assert say(alice, scripted, scripted_session, "three words", session_trace_id=trace).session_trace_id == trace


def test_an_agent_may_queue_what_finds_it_busy(server, alice, sessions):
    agent = server.create_agent('key = "patient"\nname = "Patient"\nwhen_busy = "queue"\n')
    session = sessions.create(agent).rid
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(say(alice, agent, session, f"message {n}")))
        for n in range(4)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(results) == 4
    assert sorted(message for message, _ in exchanges(alice, agent, session)) == [f"message {n}" for n in range(4)]


def test_an_exchange_whose_client_goes_away_is_finished_and_stored(sessions, alice, scripted, scripted_session):
    trace = new_id()
    with pytest.raises(ReadTimeout):
        say(alice, scripted, scripted_session, "slow", session_trace_id=trace, request_timeout=1)
    assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "IN_PROGRESS"
    assert exchanges(alice, scripted, scripted_session) == []
    kept = until(lambda: exchanges(alice, scripted, scripted_session), "the exchange is stored")
    assert kept == [("slow", "one two three four five six seven eight")]


def test_a_session_deleted_while_it_answers_is_gone(sessions, alice, scripted, scripted_session):
    trace, met = new_id(), []

    def answer():
        try:
            say(alice, scripted, scripted_session, "hang", session_trace_id=trace)
        except Exception as error:
            met.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    until(lambda: is_running(sessions, scripted, scripted_session, trace), "the exchange runs")
    sessions.delete(scripted, scripted_session)
    thread.join(timeout=15)
    assert not thread.is_alive()
    assert [type(error) for error in met] == [SessionNotFound]
    with pytest.raises(SessionNotFound):
        sessions.get(scripted, scripted_session)


def is_running(sessions, agent, session, trace) -> bool:
    from foundry_sdk.v2.aip_agents.errors import SessionTraceNotFound

    try:
        return sessions.SessionTrace.get(agent, session, trace).status == "IN_PROGRESS"
    except SessionTraceNotFound:
        return False


def test_a_model_that_nobody_configured_is_unsupported(server, alice, sessions):
    agent = server.create_agent('key = "modelless"\nname = "Modelless"\nmodel = "nowhere"\n')
    with pytest.raises(UnsupportedLanguageModelRid) as refused:
        sessions.create(agent)
    parameters = refused.value.parameters
    assert (parameters["agentRid"], parameters["modelPurpose"]) == (agent, "PRIMARY_AGENT")
    assert "sessionRid" not in parameters
    assert "nowhere" in parameters["languageModelRid"]
