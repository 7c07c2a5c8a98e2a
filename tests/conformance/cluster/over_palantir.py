"""What is done over the Palantir API."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from nodes import Node
from run import Run, Session, until_said

TEXTS = ["three words", "what did I say?", "think", "look it up", "Grüße 🐝 مرحبا", "<b>&amp;\"'\\", "break", "fault failed"]


def of(node: Node) -> Any:
    return node.palantir.Session


def make_session(run: Run) -> None:
    agent = run.chance.choice(run.agents)
    made = run.call("palantir: create session", lambda node: of(node).create(agent.rid))
    if made is not None:
        listed = run.call(
            "azure: the new session",
            lambda node: list(node.agents.list_sessions(agent.key, limit=1, order="desc").by_page().next()),
        )
        run.sessions.append(Session(agent, listed[0].agent_session_id, made.rid))


def get(run: Run) -> None:
    session = run.some_session()
    user = run.chance.choice(["alice", "alice", "alice", "bob"])
    run.call(f"palantir: {user} gets", lambda node: of(node).get(session.agent.rid, session.rid), user=user)


def content(run: Run) -> None:
    session = run.some_session()
    run.call("palantir: content", lambda node: of(node).Content.get(session.agent.rid, session.rid))


def list_sessions(run: Run) -> None:
    agent, size = run.chance.choice(run.agents), run.chance.choice([3, 10, 100])
    run.call("palantir: sessions", lambda node: list(of(node).list(agent.rid, page_size=size)))


def all_sessions(run: Run) -> None:
    run.call("palantir: all sessions", lambda node: [one.rid for one in node.palantir.all_sessions(page_size=20)])


def versions(run: Run) -> None:
    agent = run.chance.choice(run.agents)
    run.call("palantir: agent", lambda node: node.palantir.get(agent.rid))
    run.call("palantir: versions", lambda node: list(node.palantir.AgentVersion.list(agent.rid)))


def title(run: Run) -> None:
    session, title = run.some_session(), run.name("title")
    run.call("palantir: title", lambda node: of(node).update_title(session.agent.rid, session.rid, title=title))
    run.call("palantir: titled", lambda node: of(node).get(session.agent.rid, session.rid))


def delete(run: Run) -> None:
    session = run.some_session()
    run.call("palantir: delete", lambda node: of(node).delete(session.agent.rid, session.rid))
    run.sessions.remove(session)
    run.call("palantir: deleted", lambda node: of(node).get(session.agent.rid, session.rid))


def blocking(run: Run) -> None:
    session, trace = run.some_session(), run.uuid()
    said = {"user_input": {"text": run.chance.choice(TEXTS)}, "parameter_inputs": {}, "session_trace_id": trace}
    where = (session.agent.rid, session.rid)
    run.call("palantir: blocking", lambda node: of(node).blocking_continue(*where, **said))
    run.call("palantir: trace", lambda node: of(node).SessionTrace.get(*where, trace))


def streaming(run: Run) -> None:
    session = run.some_session()
    said = {"user_input": {"text": run.chance.choice(TEXTS[:6])}, "parameter_inputs": {}}
    where = (session.agent.rid, session.rid)
    run.call("palantir: streaming", lambda node: of(node).streaming_continue(*where, **said))


def cancelled(run: Run) -> None:
    """A stream at one node, refused company at the next, cancelled at the one after."""
    session, message = run.some_session(), run.uuid()
    where = (session.agent.rid, session.rid)
    said = {"user_input": {"text": "hang"}, "parameter_inputs": {}, "message_id": message}
    kept = {"response": "stopped here"} if run.chance.random() < 0.5 else {}
    with ExitStack() as stack:

        def chunks(node: Node) -> Any:
            streams = of(node).with_streaming_response.streaming_continue
            return (chunk.decode() for chunk in stack.enter_context(streams(*where, **said)).iter_bytes())

        opened = run.call("palantir: stream", chunks, show=lambda chunks: until_said(chunks, "one two "))
        if opened is None:
            return
        other = {"user_input": {"text": "three words"}, "parameter_inputs": {}}
        run.call("palantir: at once", lambda node: of(node).blocking_continue(*where, **other))
        run.call("palantir: cancel", lambda node: of(node).cancel(*where, message_id=message, **kept))
        run.call("palantir: again", lambda node: of(node).cancel(*where, message_id=message))
    run.call("palantir: content", lambda node: of(node).Content.get(*where))


OPERATIONS: list[tuple[int, Callable[[Run], None]]] = [
    (6, make_session),
    (8, get),
    (8, content),
    (6, list_sessions),
    (2, all_sessions),
    (3, versions),
    (4, title),
    (3, delete),
    (10, blocking),
    (6, streaming),
    (3, cancelled),
]
