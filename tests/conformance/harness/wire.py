"""Raw requests for what SDKs will not send, and waiting for what another request brings about."""

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sederunt import SCHEME, Server

WAIT = 15.0
"""Seconds after which something that should happen counts as not happening."""

T = TypeVar("T")


def until(condition: Callable[[], T], what: str) -> T:
    """Waits for something that another request brings about; its value once it is true."""
    deadline = time.monotonic() + WAIT
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT} s for: {what}"
        time.sleep(0.02)
    return value


@dataclass
class Answer:
    """An answer as it was on the wire."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.url)
    if SCHEME == "https":
        context = ssl.create_default_context(cafile=server.ready["ca"])
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=WAIT, context=context)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT)


def send(
    server: Server,
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = "alice",
    headers: dict[str, str] | list[tuple[str, str]] = (),
) -> Answer:
    """One raw request. A body that is not bytes is sent as JSON; `token` names a user."""
    connection = connect(server)
    try:
        connection.putrequest(method, target)
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
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
