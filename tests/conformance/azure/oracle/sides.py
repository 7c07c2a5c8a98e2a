"""The two servers that are compared, as one who makes requests sees them; every request is written down."""

import http.client
import json
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from wire import WAIT, until

NO_RESPONSE = "caresp_" + "0" * 16 + "00" + "A" * 32
"""An id of the right form that nobody has."""


@dataclass
class Reply:
    """An answer as it was on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The id of the response that this answer is, or whose events it carries."""
        return self.events[0]["response"]["id"] if self.streamed else self.json["id"]

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[Any]:
        """The events of a stream, each of which must be named like its data."""
        return events_of(self.body.decode())


def events_of(text: str) -> list[Any]:
    """The events in the text of a stream."""
    found = []
    for frame in filter(None, text.split("\n\n")):
        lines = [line for line in frame.split("\n") if not line.startswith(":")]
        if lines:
            name, data = lines
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
    return found


@dataclass
class Side:
    """One of the two servers: `base` is the address under which it has `/responses`."""

    name: str
    base: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    authority: str | None = None
    seen: list[Reply] = field(default_factory=list)

    def fresh(self) -> "Side":
        """The same server, of which nothing was seen yet."""
        return replace(self, seen=[])

    def below(self, path: str) -> "Side":
        """The same server under a longer address."""
        return replace(self, base=self.base + path, seen=[])

    def connect(self) -> http.client.HTTPConnection:
        address = urlsplit(self.base)
        if address.scheme == "https":
            context = ssl.create_default_context(cafile=self.authority)
            return http.client.HTTPSConnection(address.hostname, address.port, timeout=WAIT, context=context)
        return http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT)

    def open(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] = {}, **query: Any
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request; its answer, unread. Bytes go as they are, everything else as JSON."""
        connection = self.connect()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        typed = {"content-type": "application/json"} if body is not None else {}
        target = urlsplit(self.base).path + path
        if everything := {**self.query, **query}:
            target += "?" + urlencode(everything)
        connection.request(method, target, body, {**self.headers, **typed, **headers})
        return connection, connection.getresponse()

    def request(self, method: str, path: str, body: Any = None, *, note: bool = True, **more: Any) -> Reply:
        """One request, answered to the end; compared unless `note` is false."""
        connection, answer = self.open(method, path, body, **more)
        with closing(connection):
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        if note:
            self.seen.append(reply)
        return reply

    def create(self, said: Any = None, *, headers: dict[str, str] = {}, note: bool = True, **body: Any) -> Reply:
        """`POST /responses` with this input."""
        whole = body if said is None else {"input": said, **body}
        return self.request("POST", "/responses", whole, headers=headers, note=note)

    def get(self, response: str, *, note: bool = True, **query: Any) -> Reply:
        return self.request("GET", f"/responses/{response}", note=note, **query)

    def cancel(self, response: str) -> Reply:
        return self.request("POST", f"/responses/{response}/cancel")

    def delete(self, response: str) -> Reply:
        return self.request("DELETE", f"/responses/{response}")

    def items(self, response: str, **query: Any) -> Reply:
        return self.request("GET", f"/responses/{response}/input_items", **query)

    def ended(self, response: str, *, note: bool = True) -> Reply:
        """The response once it has ended; only that last look at it is compared."""
        until(lambda: self.get(response, note=False).json["status"] not in ("queued", "in_progress"), "its end")
        return self.get(response, note=note)

    def began(
        self,
        said: str,
        words: str,
        *,
        background: bool = True,
        meanwhile: Callable[[str], object] = lambda response: None,
        to_the_end: bool = False,
    ) -> str:
        """Starts a stream and leaves once `words` were said and `meanwhile` was done; the response's id. With
        `to_the_end`, the rest of the stream is awaited, and the whole compared."""
        body = {"input": said, "background": background, "stream": True}
        connection, answer = self.open("POST", "/responses", body)
        with closing(connection):
            text = ""
            while words not in said_in(text):
                line = answer.readline().decode()
                assert line, f"the stream ended before {words!r}: {text}"
                text += line
            response = events_of(text)[0]["response"]["id"]
            meanwhile(response)
            if to_the_end:
                headers = {name.lower(): value for name, value in answer.getheaders()}
                self.seen.append(Reply(answer.status, headers, text.encode() + answer.read()))
        return response


def said_in(text: str) -> str:
    """What the deltas in the text of an unfinished stream say."""
    whole = text[: text.rfind("\n\n") + 2] if "\n\n" in text else ""
    return "".join(event.get("delta", "") for event in events_of(whole))

