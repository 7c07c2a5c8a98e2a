"""What two answers to the same requests do not have in common. Ids and times are the same if they play the same part."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sides import Reply

HEADERS = ["cache-control", "content-type", "x-accel-buffering"]
"""The headers that are compared."""

PRESENT = ["x-agent-session-id", "x-platform-error-source", "x-platform-server", "x-request-id"]
"""The headers of which it is compared whether they are there."""

ID = re.compile(r"^([a-z]+)_[0-9a-f]{16}00[A-Za-z0-9]{32}$")
REQUEST = re.compile(r"^[0-9a-f]{32}$")
SESSION = re.compile(r"^[0-9a-f]{63}$")
EMBEDDED = re.compile(r"\b[a-z]+_[0-9a-f]{16}00[A-Za-z0-9]{32}\b")
TIMES = ("created_at", "completed_at")


@dataclass(frozen=True, order=True)
class Difference:
    """One field that is not the same. `there` is the vendor's runtime, `here` is Sederunt."""

    field: str
    there: str
    here: str
    more: str = ""
    """What helps to understand it, such as the bodies of answers whose statuses differ."""

    def __str__(self) -> str:
        return f"{self.field}: there {self.there}, here {self.here}{self.more}"


ABSENT = "absent"


class Names:
    """Names for ids in the order in which they are first seen, so that equal ids stay equal."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, value: str, kind: str) -> str:
        count = sum(name.startswith(f"<{kind} ") for name in self._known.values())
        return self._known.setdefault(value, f"<{kind} {count + 1}>")

    def plain(self, value: Any, key: str = "") -> Any:
        """`value` with ids and times replaced, after a look at whether they are such."""
        if isinstance(value, dict):
            return {name: self.plain(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(inner) for inner in value]
        if key in TIMES and isinstance(value, int) and 1_500_000_000 < value < 10_000_000_000:
            return "<time>"
        if isinstance(value, str):
            if key == "agent_session_id" and SESSION.match(value):
                return "<session>"
            if key == "call_id" and value.startswith("call_"):
                return self.of(value, "call")
            if key == "request_id" and REQUEST.match(value):
                return "<request>"
            return EMBEDDED.sub(lambda found: self.of(found[0], found[0].split("_")[0]), value)
        return value


def differences(there: list[Reply], here: list[Reply]) -> Iterator[Difference]:
    """What two runs of a case do not have in common."""
    names = (Names(), Names())
    if len(there) != len(here):
        yield Difference("answers", str(len(there)), str(len(here)))
    for one, two in zip(there, here, strict=False):
        if one.status != two.status:
            bodies = "\n".join(["", *(reply.body.decode()[:500] for reply in (one, two))])
            yield Difference("status", str(one.status), str(two.status), bodies)
            continue
        shown = [headers(reply) for reply in (one, two)]
        for name in shown[0]:
            if shown[0][name] != shown[1][name]:
                yield Difference(f"header {name}", shown[0][name], shown[1][name])
        types = [reply.headers.get("content-type", ABSENT).split(";")[0] for reply in (one, two)]
        if types[0] != types[1]:
            continue
        if one.streamed:
            yield from streams(names, one.events, two.events)
        elif types[0] == "application/json":
            yield from values("body", names[0].plain(one.json), names[1].plain(two.json))
        elif one.body != two.body:
            yield Difference("body", one.body.decode(), two.body.decode())


def headers(reply: Reply) -> dict[str, str]:
    """What is compared of an answer's headers."""
    values = {name: reply.headers.get(name, ABSENT) for name in HEADERS}
    return values | {name: "present" if name in reply.headers else ABSENT for name in PRESENT}


def streams(names: tuple[Names, Names], there: list[Any], here: list[Any]) -> Iterator[Difference]:
    """What two streams do not have in common: the order of their events, or else fields of theirs."""
    kinds = [[event["type"].removeprefix("response.") for event in events] for events in (there, here)]
    if kinds[0] != kinds[1]:
        yield Difference("events", " ".join(kinds[0]), " ".join(kinds[1]))
        return
    for one, two in zip(there, here, strict=True):
        yield from values(one["type"], names[0].plain(one), names[1].plain(two))


def values(field: str, there: Any, here: Any) -> Iterator[Difference]:
    """What two JSON values do not have in common. A field is named from the object that it belongs to."""
    if isinstance(there, dict) and isinstance(here, dict):
        owner = owner_of(there) or field
        for name in sorted(there.keys() | here.keys()):
            yield from values(f"{owner}.{name}", there.get(name, ABSENT), here.get(name, ABSENT))
    elif isinstance(there, list) and isinstance(here, list):
        for one, two in zip_longest(there, here, fillvalue=ABSENT):
            yield from values(f"{field}[]", one, two)
    elif there != here:
        yield Difference(field, *(value if value is ABSENT else json.dumps(value) for value in (there, here)))


def owner_of(value: dict[str, Any]) -> str | None:
    """How an object that has a kind of its own is called, wherever it stands."""
    if value.get("object") in ("response", "list"):
        return value["object"]
    if "message" in value and "code" in value and "type" in value and value["type"] != "error":
        return "error"
    return value["type"] if "id" in value and isinstance(value.get("type"), str) else None
