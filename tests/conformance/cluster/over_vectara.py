"""What is done over the Vectara API."""

from collections.abc import Callable
from typing import Any

from nodes import Node
from over_azure import MOST_AGENTS
from run import Agent, Run, Session, until_said
from vectara.agent_sessions.types.create_agent_session_request_from_session import CreateAgentSessionRequestFromSession
from vectara.types.agent_model import AgentModel
from vectara.types.agent_output_parser import AgentOutputParser_Default
from vectara.types.first_agent_step import FirstAgentStep
from vectara_clients import ONCE, compact, interrupt, message, streamed_message

TEXTS = ["three words", "what did I say?", "think", "look it up", "Grüße 🐝 مرحبا", "<b>&amp;\"'\\", "break", "fault failed"]
SMALL = {
    "name": "Helper",
    "tool_configurations": {},
    "model": AgentModel(name="gpt-4o"),
    "first_step": FirstAgentStep(name="first_step", instructions=[], output_parser=AgentOutputParser_Default()),
}
ALL = {"limit": 100, "include_hidden": True}


def make_agent(run: Run) -> None:
    if len(run.agents) >= MOST_AGENTS:
        return
    key = run.name("agent")
    made = run.call("vectara: create agent", lambda node: node.vectara.agents.create(key=key, **SMALL, request_options=ONCE))
    if made is not None:
        run.agents.append(Agent(key, run.rid(key)))


def change_agent(run: Run) -> None:
    agent, description = run.chance.choice(run.agents), run.name("description")
    change = {"description": description, "request_options": ONCE}
    run.call("vectara: change agent", lambda node: node.vectara.agents.update(agent.key, **change))
    run.call("vectara: agent", lambda node: node.vectara.agents.get(agent.key, request_options=ONCE))


def list_agents(run: Run) -> None:
    run.call("vectara: agents", lambda node: [agent.key for agent in node.vectara.agents.list(limit=3)])


def delete_agent(run: Run) -> None:
    if len(run.agents) <= 2:
        return
    agent = run.chance.choice(run.agents)
    run.call("vectara: delete agent", lambda node: node.vectara.agents.delete(agent.key, request_options=ONCE))
    run.forget(agent)
    run.call("vectara: deleted agent", lambda node: node.vectara.agents.get(agent.key, request_options=ONCE))


def make_session(run: Run) -> None:
    agent, key = run.chance.choice(run.agents), run.name("session")
    more: dict[str, Any] = {"name": key, "metadata": {"n": len(run.sessions)}, "request_options": ONCE}
    keep_session(run, agent, key, "vectara: create session", more)


def fork(run: Run) -> None:
    source, key = run.some_session(), run.name("fork")
    select = CreateAgentSessionRequestFromSession(session_key=source.key, agent_key=source.agent.key)
    more = {"name": key, "from_session": select, "request_options": ONCE}
    keep_session(run, run.chance.choice(run.agents), key, "vectara: fork", more)


def keep_session(run: Run, agent: Agent, key: str, name: str, more: dict[str, Any]) -> None:
    made = run.call(name, lambda node: node.vectara.agent_sessions.create(agent.key, key=key, **more))
    if made is not None:
        listed = run.call("palantir: the new session", lambda node: node.palantir.Session.list(agent.rid, page_size=1).data)
        run.sessions.append(Session(agent, key, listed[0].rid))


def get_session(run: Run) -> None:
    session = run.some_session()
    user = run.chance.choice(["alice", "alice", "alice", "bob"])
    where = (session.agent.key, session.key)
    get = lambda node: node.vectara.agent_sessions.get(*where, request_options=ONCE)
    run.call(f"vectara: {user} gets", get, user=user)


def change_session(run: Run) -> None:
    session, description = run.some_session(), run.name("description")
    where = (session.agent.key, session.key)
    change = {"description": description, "metadata": {"d": description}, "request_options": ONCE}
    run.call("vectara: change session", lambda node: node.vectara.agent_sessions.update(*where, **change))
    run.call("vectara: changed session", lambda node: node.vectara.agent_sessions.get(*where, request_options=ONCE))


def list_sessions(run: Run) -> None:
    agent, limit = run.chance.choice(run.agents), run.chance.choice([3, 10, 100])
    # They come by their keys, and those that another API made have keys that differ from run to run.
    oldest_first = lambda found: sorted(found, key=lambda session: session.created_at)
    listed = lambda node: list(node.vectara.agent_sessions.list(agent.key, limit=limit))
    run.call("vectara: sessions", listed, show=oldest_first)


def delete_session(run: Run) -> None:
    session = run.some_session()
    where = (session.agent.key, session.key)
    run.call("vectara: delete session", lambda node: node.vectara.agent_sessions.delete(*where, request_options=ONCE))
    run.sessions.remove(session)
    run.call("vectara: deleted session", lambda node: node.vectara.agent_sessions.get(*where, request_options=ONCE))


def say(run: Run) -> None:
    session, request = run.some_session(), message(run.chance.choice(TEXTS))
    where = (session.agent.key, session.key)
    run.call("vectara: say", lambda node: node.vectara.agent_events.create(*where, request=request, request_options=ONCE))


def stream(run: Run) -> None:
    session, since = run.some_session(), run.chance.choice([{}, {"since": "start"}])
    where, request = (session.agent.key, session.key), streamed_message(run.chance.choice(TEXTS[:5]), **since)
    opened = lambda node: node.vectara.agent_events.create_stream(*where, request=request, request_options=ONCE)
    run.call("vectara: stream", opened, show=shape)


PIECES = {"streaming_agent_output", "agent_output", "streaming_agent_output_end"}
THOUGHTS = {"streaming_thinking", "thinking", "streaming_thinking_end"}


def shape(frames: Any) -> Any:
    """What a stream says, but for how it is cut: what it comes late to, it tells whole."""
    frames = list(frames)

    def joined(types: set[str]) -> str:
        return "".join(getattr(frame, "content", "") for frame in frames if frame.type in types)

    # What comes late may find the turn ended, and then says nothing of the context.
    rest = [frame for frame in frames if frame.type not in PIECES | THOUGHTS | {"context_consumed"}]
    return {"said": joined(PIECES), "thought": joined(THOUGHTS), "frames": rest}


def events(run: Run) -> None:
    session, limit = run.some_session(), run.chance.choice([4, 100])
    where = (session.agent.key, session.key)
    run.call("vectara: events", lambda node: list(node.vectara.agent_events.list(*where, limit=limit)))


def mask(run: Run) -> None:
    """Hides an event, shows or deletes it, and looks at what is left, each at another node."""
    session = run.some_session()
    where = (session.agent.key, session.key)
    listed = run.call("vectara: all events", lambda node: list(node.vectara.agent_events.list(*where, **ALL)))
    if not listed:
        return
    event = run.chance.choice(listed).id
    run.call("vectara: hide", lambda node: node.vectara.agent_events.hide(*where, event, request_options=ONCE))
    run.call("vectara: hidden", lambda node: list(node.vectara.agent_events.list(*where, limit=100)))
    then = run.chance.choice(["unhide", "delete"])
    act = lambda node: getattr(node.vectara.agent_events, then)(*where, event, request_options=ONCE)
    run.call(f"vectara: {then}", act)
    run.call("vectara: left", lambda node: list(node.vectara.agent_events.list(*where, **ALL)))


def summarise(run: Run) -> None:
    session = run.some_session()
    where = (session.agent.key, session.key)
    request = compact()
    run.call("vectara: compact", lambda node: node.vectara.agent_events.create(*where, request=request, request_options=ONCE))
    run.call("vectara: compacted", lambda node: list(node.vectara.agent_events.list(*where, **ALL)))


def interrupted(run: Run) -> None:
    """A stream at one node, refused company at the next, interrupted at the one after."""
    session = run.some_session()
    where = (session.agent.key, session.key)

    def send(name: str, request: Any) -> None:
        run.call(name, lambda node: node.vectara.agent_events.create(*where, request=request, request_options=ONCE))

    def opened(node: Node) -> Any:
        request = streamed_message("hang")
        return iter(node.vectara.agent_events.create_stream(*where, request=request, request_options=ONCE))

    text = lambda frame: frame.content if frame.type == "streaming_agent_output" else ""
    frames = run.call("vectara: hang", opened, show=lambda frames: until_said(frames, "one two ", text))
    if frames is None:
        return
    status = lambda node: node.vectara.agent_sessions.get(*where, request_options=ONCE)
    run.call("vectara: running", status)
    send("vectara: at once", message("three words"))
    send("vectara: interrupt", interrupt())
    run.call("vectara: to its end", lambda node: frames, show=shape)
    run.call("vectara: stopped", status)
    run.call("vectara: events", lambda node: list(node.vectara.agent_events.list(*where, **ALL)))


def keys(run: Run) -> None:
    """A key that is made, switched off and on again, and deleted; each holds at once, at every node."""
    agent, name = run.chance.choice(run.agents), run.name("key")
    roles = {"name": name, "api_roles": ["administrator"], "request_options": ONCE}
    made = run.call("vectara: create key", lambda node: node.vectara.api_keys.create(**roles))

    def use(how: str) -> None:
        get = lambda node: node.vectara_with(made.secret_key).agents.get(agent.key, request_options=ONCE)
        run.call(f"vectara: with a key that is {how}", get)

    use("new")
    for enabled, how in ((False, "off"), (True, "on")):
        change = {"enabled": enabled, "request_options": ONCE}
        run.call("vectara: switch key", lambda node: node.vectara.api_keys.update(made.id, **change))
        use(how)
    run.call("vectara: delete key", lambda node: node.vectara.api_keys.delete(made.id, request_options=ONCE))
    use("deleted")


OPERATIONS: list[tuple[int, Callable[[Run], None]]] = [
    (2, make_agent),
    (2, change_agent),
    (2, list_agents),
    (1, delete_agent),
    (6, make_session),
    (4, fork),
    (6, get_session),
    (4, change_session),
    (5, list_sessions),
    (3, delete_session),
    (10, say),
    (5, stream),
    (8, events),
    (4, mask),
    (1, summarise),
    (3, interrupted),
    (2, keys),
]
