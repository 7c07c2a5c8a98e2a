"""Short words for what most tests of this dialect do, and raw requests for what SDKs will not send."""

import http.client
import json
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from foundry_sdk import Config, FoundryClient, UserTokenAuth
from sederunt import SCHEME, Server

WAIT = 15.0
"""Seconds after which something that should happen counts as not happening."""

NO_AGENT = "ri.aip-agents..agent.00000000-0000-7000-8000-000000000000"
NO_SESSION = "ri.aip-agents..session.00000000-0000-7000-8000-000000000000"
PREFIX = "/api/v2/aipAgents"

T = TypeVar("T")


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


def until(condition: Callable[[], T], what: str) -> T:
    """Waits for something that another request brings about; its value once it is true."""
    deadline = time.monotonic() + WAIT
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT} s for: {what}"
        time.sleep(0.02)
    return value


@dataclass
class Reply:
    """An answer as it was on the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def error(self, status: int, code: str, name: str) -> dict[str, Any]:
        """Checks that this is exactly that error; its parameters."""
        assert self.status == status, (self.status, self.body)
        assert self.headers["content-type"].split(";")[0] == "application/json"
        assert (self.json["errorCode"], self.json["errorName"]) == (code, name)
        uuid.UUID(self.json["errorInstanceId"])
        assert set(self.json) <= {"errorCode", "errorName", "errorInstanceId", "errorDescription", "parameters"}
        return self.json["parameters"]


def connect(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.url)
    if SCHEME == "https":
        context = ssl.create_default_context(cafile=server.ready["ca"])
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=WAIT, context=context)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT)


def request(
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = "alice",
    headers: dict[str, str] | list[tuple[str, str]] = (),
) -> Reply:
    """One raw request below the API's prefix (a path that begins with `//` is taken from the root). A body that is not
    bytes is sent as JSON; `token` names a user."""
    connection = connect(server)
    try:
        connection.putrequest(method, path[1:] if path.startswith("//") else PREFIX + path)
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        named = {name.lower() for name, _ in pairs}
        if token is not None and "authorization" not in named:
            pairs.append(("Authorization", f"Bearer {server.token(token)}"))
        if body is not None:
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
                if "content-type" not in named:
                    pairs.append(("Content-Type", "application/json"))
            pairs.append(("Content-Length", str(len(body))))
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
