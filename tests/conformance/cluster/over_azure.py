"""What is done over the Azure API, by the project's SDK and OpenAI's."""

from collections.abc import Callable
from typing import Any

from nodes import Node
from run import Agent, Run, Session, until_said

TEXTS = ["three words", "what did I say?", "think", "Grüße 🐝 مرحبا", "<b>&amp;\"'\\", "break", "fault failed"]
MOST_AGENTS = 6


def hosted(image: str) -> dict[str, Any]:
    return {
        "kind": "hosted",
        "cpu": "0.5",
        "memory": "1Gi",
        "container_configuration": {"image": image},
        "protocol_versions": [{"protocol": "responses", "version": "2.0.0"}],
    }


def reference(agent: Agent) -> dict[str, Any]:
    return {"agent_reference": {"type": "agent_reference", "name": agent.key}}


def make_agent(run: Run) -> None:
    if len(run.agents) >= MOST_AGENTS:
        return
    key = run.name("agent")
    definition = run.chance.choice([hosted("example/one:1"), {"kind": "prompt", "model": "scripted"}])
    made = run.call("azure: create agent", lambda node: node.agents.create_version(key, definition=definition))
    if made is not None:
        run.agents.append(Agent(key, run.rid(key)))


def make_version(run: Run) -> None:
    agent, image = run.chance.choice(run.agents), f"example/{run.chance.randrange(3)}:1"
    run.call("azure: version", lambda node: node.agents.create_version(agent.key, definition=hosted(image)))
    run.call("azure: versions", lambda node: list(node.agents.list_versions(agent.key, limit=5)))
    run.call("azure: agent", lambda node: node.agents.get(agent.key))


def list_agents(run: Run) -> None:
    run.call("azure: agents", lambda node: [agent.name for agent in node.agents.list(limit=3)])


def switch(run: Run) -> None:
    """An agent off at one node is off at the next."""
    agent = run.chance.choice(run.agents)
    run.call("azure: disable", lambda node: node.agents.disable(agent.key))
    run.call("azure: disabled", lambda node: node.agents.create_session(agent.key, {}))
    run.call("azure: enable", lambda node: node.agents.enable(agent.key))
    run.call("azure: enabled", lambda node: node.agents.get(agent.key))


def delete_agent(run: Run) -> None:
    if len(run.agents) <= 2:
        return
    agent = run.chance.choice(run.agents)
    run.call("azure: delete agent", lambda node: node.agents.delete(agent.key, force=True))
    run.forget(agent)
    run.call("azure: deleted agent", lambda node: node.agents.get(agent.key))


def make_session(run: Run) -> None:
    agent, key = run.chance.choice(run.agents), run.name("session")
    made = run.call(
        "azure: create session", lambda node: node.agents.create_session(agent.key, {"agent_session_id": key})
    )
    if made is not None:
        listed = run.call("palantir: the new session", lambda node: node.palantir.Session.list(agent.rid, page_size=1).data)
        run.sessions.append(Session(agent, key, listed[0].rid))


def get_session(run: Run) -> None:
    session = run.some_session()
    run.call("azure: session", lambda node: node.agents.get_session(session.agent.key, session.key))


def list_sessions(run: Run) -> None:
    agent, limit = run.chance.choice(run.agents), run.chance.choice([4, 20])
    order = run.chance.choice(["asc", "desc"])
    run.call("azure: sessions", lambda node: list(node.agents.list_sessions(agent.key, limit=limit, order=order)))


def stop_session(run: Run) -> None:
    session = run.some_session()
    run.call("azure: stop", lambda node: node.agents.stop_session(session.agent.key, session.key))
    run.call("azure: stopped", lambda node: node.agents.get_session(session.agent.key, session.key))


def delete_session(run: Run) -> None:
    session = run.some_session()
    where = (session.agent.key, session.key)
    run.call("azure: delete session", lambda node: node.agents.delete_session(*where))
    run.sessions.remove(session)
    run.call("azure: deleted session", lambda node: node.agents.get_session(*where))


def respond(run: Run) -> None:
    session, text = run.some_session(), run.chance.choice(TEXTS)
    body = reference(session.agent) | {"agent_session_id": session.key}
    made = run.call("azure: respond", lambda node: node.openai.responses.create(input=text, extra_body=body))
    remember(run, made)


def remember(run: Run, made: Any) -> None:
    if made is not None:
        run.responses = [*run.responses[-40:], made.id]


def follow(run: Run) -> None:
    if not run.responses:
        return
    agent, previous = run.chance.choice(run.agents), run.chance.choice(run.responses)
    text = run.chance.choice(TEXTS[:3])
    made = run.call(
        "azure: follow",
        lambda node: node.openai.responses.create(
            input=text, previous_response_id=previous, extra_body=reference(agent)
        ),
    )
    remember(run, made)


def retrieve(run: Run) -> None:
    if not run.responses:
        return
    response = run.chance.choice(run.responses)
    run.call("azure: response", lambda node: node.openai.responses.retrieve(response))
    run.call("azure: its input", lambda node: list(node.openai.responses.input_items.list(response)))


def delete_response(run: Run) -> None:
    if not run.responses:
        return
    response = run.chance.choice(run.responses)
    run.call("azure: delete response", lambda node: node.openai.responses.delete(response))
    run.responses.remove(response)
    run.call("azure: deleted response", lambda node: node.openai.responses.retrieve(response))


def converse(run: Run) -> None:
    if not run.conversations or run.chance.random() < 0.2:
        made = run.call(
            "azure: conversation",
            lambda node: node.openai.conversations.create(metadata={"a": "1"}, items=[{"role": "user", "content": "hello"}]),
        )
        run.conversations = [*run.conversations[-10:], made.id]
        return
    conversation, agent = run.chance.choice(run.conversations), run.chance.choice(run.agents)
    text = run.chance.choice(TEXTS)
    said = {"input": text, "conversation": conversation, "extra_body": reference(agent)}
    remember(run, run.call("azure: in conversation", lambda node: node.openai.responses.create(**said)))
    run.call("azure: items", lambda node: list(node.openai.conversations.items.list(conversation, limit=7)))


def keep_conversation(run: Run) -> None:
    if not run.conversations:
        return
    conversation = run.chance.choice(run.conversations)
    metadata, item = {"b": run.name("value")}, {"type": "message", "role": "user", "content": "added"}
    run.call("azure: change it", lambda node: node.openai.conversations.update(conversation, metadata=metadata))
    run.call("azure: add to it", lambda node: node.openai.conversations.items.create(conversation, items=[item]))
    run.call("azure: read it", lambda node: node.openai.conversations.retrieve(conversation))
    if run.chance.random() < 0.2:
        run.call("azure: delete it", lambda node: node.openai.conversations.delete(conversation))
        run.conversations.remove(conversation)
        run.call("azure: it is gone", lambda node: list(node.openai.conversations.items.list(conversation)))


def delta(event: Any) -> str:
    return event.delta if event.type == "response.output_text.delta" else ""


def shape(events: Any) -> Any:
    """The types of the events, one for all deltas in a row, what was said, and how it ended; checks their numbers."""
    events = list(events)
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    kinds = [event.type for event in events]
    merged = [kind for at, kind in enumerate(kinds) if not (kind.endswith(".delta") and at and kinds[at - 1] == kind)]
    last = events[-1].response if events and hasattr(events[-1], "response") else None
    return {"kinds": merged, "said": "".join(map(delta, events)), "ended": last}


def stream(run: Run) -> None:
    """A stream at one node, replayed from its first events at the next."""
    session, text = run.some_session(), run.chance.choice(TEXTS[:5])
    body = reference(session.agent) | {"agent_session_id": session.key}
    how = {"input": text, "stream": True, "background": True, "extra_body": body}
    found: list[str] = []

    def show(events: Any) -> Any:
        kept = list(events)
        found.append(kept[0].response.id)
        return shape(kept)

    run.call("azure: stream", lambda node: node.openai.responses.create(**how), show=show)
    if found:
        again = lambda node: node.openai.responses.retrieve(found[0], stream=True, starting_after=1)
        run.call("azure: replay", again, show=shape)
        run.responses = [*run.responses[-40:], found[0]]


def cancelled(run: Run) -> None:
    """Begun at one node, read at the next, resumed at the third from the first event seen, cancelled at the fourth."""
    session = run.some_session()
    body = reference(session.agent) | {"agent_session_id": session.key}
    how = {"input": "hang", "stream": True, "background": True, "extra_body": body}
    response: list[str] = []

    def begun(events: Any) -> str:
        response.append(next(events).response.id)
        said = until_said(events, "one two ", delta)
        events.close()
        return said

    run.call("azure: begin", lambda node: Closing(node.openai.responses.create(**how)), show=begun)
    if not response:
        return
    identifier = response[0]
    run.call("azure: look", lambda node: node.openai.responses.retrieve(identifier))
    resumed = run.call(
        "azure: resume",
        lambda node: Closing(node.openai.responses.retrieve(identifier, stream=True, starting_after=1)),
        show=lambda events: until_said(events, "one two ", delta),
    )
    run.call("azure: cannot delete", lambda node: node.openai.responses.delete(identifier))
    run.call("azure: cancel", lambda node: node.openai.responses.cancel(identifier))
    if resumed is not None:
        run.call("azure: resumed to its end", lambda node: resumed, show=shape)
    run.call("azure: cancelled", lambda node: node.openai.responses.retrieve(identifier))


class Closing:
    """An iterator over a stream's events that can be left in the middle."""

    def __init__(self, stream: Any):
        self._stream = stream
        self._events = iter(stream)

    def __iter__(self) -> "Closing":
        return self

    def __next__(self) -> Any:
        return next(self._events)

    def close(self) -> None:
        self._stream.close()


def files(run: Run) -> None:
    session, path = run.some_session(), f"data/{run.chance.randrange(5)}.bin"
    where = (session.agent.key, session.key)
    content = run.chance.randbytes(run.chance.choice([0, 10, 1000, 100_000]))
    run.call("azure: upload", lambda node: node.agents.upload_session_file(*where, content, path=path))
    read = lambda node: b"".join(node.agents.download_session_file(*where, path=path))
    got = run.call("azure: download", read)
    assert got is None or got == content
    run.call("azure: files", lambda node: list(node.agents.list_session_files(*where, path="data", order="asc")))
    if run.chance.random() < 0.3:
        run.call("azure: delete file", lambda node: node.agents.delete_session_file(*where, path=path))
        run.call("azure: deleted file", read)


OPERATIONS: list[tuple[int, Callable[[Run], None]]] = [
    (2, make_agent),
    (2, make_version),
    (2, list_agents),
    (1, switch),
    (1, delete_agent),
    (6, make_session),
    (6, get_session),
    (4, list_sessions),
    (2, stop_session),
    (3, delete_session),
    (10, respond),
    (6, follow),
    (5, retrieve),
    (2, delete_response),
    (8, converse),
    (3, keep_conversation),
    (4, stream),
    (3, cancelled),
    (5, files),
]
