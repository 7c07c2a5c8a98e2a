"""The asynchronous client: every operation once."""

import asyncio

import pytest
from foundry_sdk import AsyncFoundryClient, UserTokenAuth
from foundry_sdk.v2.aip_agents.errors import (
    CancelSessionFailedMessageNotInProgress,
    SessionNotFound,
    SessionTraceNotFound,
)
from talk import config, new_id, text


@pytest.fixture(scope="module")
def run():
    """Runs coroutines in one event loop, since the SDK's connections outlive its clients."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture(scope="module")
def client(server):
    auth = UserTokenAuth(server.token("alice"))
    return AsyncFoundryClient(auth=auth, hostname=server.host, config=config(), preview=True)


def test_every_operation_works(run, client, echo):
    async def journey():
        agents = client.aip_agents.Agent
        sessions = agents.Session
        assert (await agents.get(echo)).rid == echo
        assert [v.string async for v in agents.AgentVersion.list(echo)] == ["1.0"]
        assert (await agents.AgentVersion.get(echo, "1.0")).string == "1.0"
        session = (await sessions.create(echo)).rid
        said = {"parameter_inputs": {}, "user_input": text("hello there")}
        result = await sessions.blocking_continue(echo, session, **said)
        assert result.agent_markdown_response == "hello there"
        assert await sessions.streaming_continue(echo, session, **said) == b"hello there"
        assert (await sessions.rag_context(echo, session, **said)).object_contexts == []
        await sessions.update_title(echo, session, title="Hello")
        assert (await sessions.get(echo, session)).metadata.title == "Hello"
        content = await sessions.Content.get(echo, session)
        assert [e.result.agent_markdown_response for e in content.exchanges] == ["hello there"] * 2
        assert (await sessions.SessionTrace.get(echo, session, result.session_trace_id)).status == "COMPLETE"
        others = [(await sessions.create(echo)).rid for _ in range(3)]
        assert set(others) <= {s.rid async for s in sessions.list(echo, page_size=2)}
        assert set(others) <= {s.rid async for s in agents.all_sessions(page_size=2)}
        await sessions.delete(echo, session)
        with pytest.raises(SessionNotFound):
            await sessions.get(echo, session)
        with pytest.raises(SessionTraceNotFound):
            await sessions.SessionTrace.get(echo, others[0], new_id())

    run(journey())


def test_chunks_arrive_one_by_one_and_a_stream_is_cancelled(run, client, scripted):
    async def journey():
        sessions = client.aip_agents.Agent.Session
        session, message = (await sessions.create(scripted)).rid, new_id()
        stream = sessions.with_streaming_response.streaming_continue(
            scripted, session, parameter_inputs={}, user_input=text("hang"), message_id=message
        )
        async with stream as response:
            chunks = response.aiter_bytes()
            assert b"one two ".startswith(await anext(chunks))
            cancelled = await sessions.cancel(scripted, session, message_id=message, response="stopped")
            assert cancelled.result.agent_markdown_response == "stopped"
            with pytest.raises(CancelSessionFailedMessageNotInProgress):
                await sessions.cancel(scripted, session, message_id=message)

    run(journey())


def test_fifty_sessions_talk_at_once(run, client, echo):
    async def talk(number: int) -> None:
        sessions = client.aip_agents.Agent.Session
        session = (await sessions.create(echo)).rid
        for turn in range(3):
            said = f"session {number} turn {turn}"
            result = await sessions.blocking_continue(echo, session, parameter_inputs={}, user_input=text(said))
            assert result.agent_markdown_response == said
        content = await sessions.Content.get(echo, session)
        assert [e.user_input.text for e in content.exchanges] == [f"session {number} turn {t}" for t in range(3)]

    async def journey():
        await asyncio.gather(*(talk(number) for number in range(50)))

    run(journey())
