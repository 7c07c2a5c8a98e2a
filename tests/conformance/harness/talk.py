"""Short words for what most tests of the Palantir dialect do."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from foundry_sdk import Config, FoundryClient, UserTokenAuth
from sederunt import SCHEME, Server
from wire import WAIT, Answer, send
from wire import connect as connect
from wire import until as until

NO_AGENT = "ri.aip-agents..agent.00000000-0000-7000-8000-000000000000"
NO_SESSION = "ri.aip-agents..session.00000000-0000-7000-8000-000000000000"
PREFIX = "/api/v2/aipAgents"


def config(**more: Any) -> Config:
    """The SDK's settings: our scheme, a limit on waiting, and `preview` on every call."""
    return Config(scheme=SCHEME, timeout=WAIT, default_params={"preview": "true"}, **more)


def client_of(server: Server, token: str) -> FoundryClient:
    return FoundryClient(auth=UserTokenAuth(token), hostname=server.host, config=config())


def text(value: str) -> Any:
    """A user's message."""
    return {"text": value}


def new_id() -> str:
    return str(uuid.uuid4())


def say(client: FoundryClient, agent: str, session: str, message: str, **more: Any) -> Any:
    """One blocking exchange; its result."""
    more.setdefault("parameter_inputs", {})
    return client.aip_agents.Agent.Session.blocking_continue(agent, session, user_input=text(message), **more)


def exchanges(client: FoundryClient, agent: str, session: str) -> list[tuple[str, str]]:
    """What was said: pairs of message and answer."""
    content = client.aip_agents.Agent.Session.Content.get(agent, session)
    return [(e.user_input.text, e.result.agent_markdown_response) for e in content.exchanges]


@contextmanager
def streaming(client: FoundryClient, agent: str, session: str, message: str, **more: Any):
    """A streamed exchange: an iterator over its chunks as they come, as text."""
    more.setdefault("parameter_inputs", {})
    continues = client.aip_agents.Agent.Session.with_streaming_response.streaming_continue
    with continues(agent, session, user_input=text(message), **more) as response:
        yield (chunk.decode() for chunk in response.iter_bytes())


def first(chunks: Iterator[str], whole: str) -> str:
    """The first chunk, which is a beginning of `whole`: how an answer is cut into chunks is nobody's promise."""
    chunk = next(chunks)
    assert chunk and whole.startswith(chunk)
    return chunk


class Reply(Answer):
    """An answer of the dialect."""

    def error(self, status: int, code: str, name: str) -> dict[str, Any]:
        """Checks that this is exactly that error; its parameters."""
        assert self.status == status, (self.status, self.body)
        assert self.headers["content-type"].split(";")[0] == "application/json"
        assert (self.json["errorCode"], self.json["errorName"]) == (code, name)
        uuid.UUID(self.json["errorInstanceId"])
        assert set(self.json) <= {"errorCode", "errorName", "errorInstanceId", "errorDescription", "parameters"}
        return self.json["parameters"]


def request(server: Server, method: str, path: str, body: Any = None, **more: Any) -> Reply:
    """One raw request below the API's prefix; a path that begins with `//` is taken from the root."""
    answer = send(server, method, path[1:] if path.startswith("//") else PREFIX + path, body, **more)
    return Reply(answer.status, answer.headers, answer.body)
