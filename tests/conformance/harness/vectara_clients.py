"""Clients of the Vectara dialect, made as its SDK's environment object wants it, and the requests that they take."""

import asyncio
from typing import Any

import vectara
from sederunt import Server
from stepped import Stepped
from vectara import AsyncVectara, Vectara
from vectara.agent_events.types import (
    CreateAgentEventsRequestBody_Compact,
    CreateAgentEventsRequestBody_InputMessage,
    CreateAgentEventsRequestBody_Interrupt,
    CreateAgentEventsStreamRequestBody_Compact,
    CreateAgentEventsStreamRequestBody_InputMessage,
    CreateAgentEventsStreamRequestBody_Interrupt,
)
from vectara.environment import VectaraEnvironment
from vectara.types.agent_input import AgentInput_Text
from wire import WAIT

ONCE = {"max_retries": 0}
"""Options of a call that is to be refused, and would be repeated for seconds."""

OLD = vectara.__version__ == "0.4.2"
"""Whether this is the version that asks for a stream only where the caller says so, too."""


def client(server: Server, user: str | None = "alice", *, runner: asyncio.Runner | None = None, **more: Any) -> Any:
    """A client, for a user or with an API key; an asynchronous one, stepped, if there is a runner for it."""
    if user is not None:
        more["api_key"] = server.token(user) if user in {"alice", "bob"} else user
    more.setdefault("environment", VectaraEnvironment(default=server.url, auth=server.url))
    more.setdefault("timeout", WAIT)
    return Vectara(**more) if runner is None else Stepped(runner, AsyncVectara(**more))


def message(text: str, **more: Any) -> CreateAgentEventsRequestBody_InputMessage:
    """A message for which the events are the answer."""
    return CreateAgentEventsRequestBody_InputMessage(messages=[AgentInput_Text(content=text)], **more)


def compact(**more: Any) -> CreateAgentEventsRequestBody_Compact:
    return CreateAgentEventsRequestBody_Compact(**more)


def interrupt() -> CreateAgentEventsRequestBody_Interrupt:
    return CreateAgentEventsRequestBody_Interrupt()


def streamed_message(text: str, **more: Any) -> CreateAgentEventsStreamRequestBody_InputMessage:
    """A message for which a stream is the answer."""
    messages = [AgentInput_Text(content=text)]
    return CreateAgentEventsStreamRequestBody_InputMessage(messages=messages, stream_response=True, **more)


def streamed_compact(**more: Any) -> CreateAgentEventsStreamRequestBody_Compact:
    return CreateAgentEventsStreamRequestBody_Compact(stream_response=True, **more)


def streamed_interrupt() -> CreateAgentEventsStreamRequestBody_Interrupt:
    return CreateAgentEventsStreamRequestBody_Interrupt(stream_response=True)


class Talk:
    """What a client does in one session."""

    def __init__(self, client: Any, agent: str, session: str):
        self.events = client.agent_events
        self.agent = agent
        self.session = session

    def say(self, text: str, **more: Any) -> list[Any]:
        """The events that a message makes."""
        return self.send(message(text, **more))

    def send(self, request: Any, options: dict[str, Any] | None = None) -> list[Any]:
        """The events that a request makes."""
        answer = self.events.create(self.agent, self.session, request=request, request_options=options)
        assert answer.session_key == self.session
        return answer.events

    def answer(self, text: str) -> str:
        """What the agent says to a message."""
        return self.say(text)[-1].content

    def stream(self, text: str, **more: Any) -> list[Any]:
        """The frames that a message makes."""
        return list(self.opened(streamed_message(text, **more)))

    def opened(self, request: Any) -> Any:
        """An iterator over the frames that a request makes, as they come."""
        return iter(self.events.create_stream(self.agent, self.session, request=request))

    def list(self, **more: Any) -> list[Any]:
        """All events."""
        return list(self.events.list(self.agent, self.session, **({"limit": 100} | more)))


def types(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def spoken(frames: list[Any]) -> str:
    """What the agent says in a stream."""
    return "".join(frame.content for frame in frames if frame.type == "streaming_agent_output")
