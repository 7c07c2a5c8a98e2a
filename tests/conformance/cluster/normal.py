"""What an answer says, without what differs from run to run: ids are told by the order in which they appeared, and of times
only that they are there."""

import re
from datetime import datetime
from typing import Any

ID = re.compile(
    r"\b[0-9a-f]{32}(?:[0-9a-f]{31})?\b"
    r"|\b(?:ri\.aip-agents\.\.\w+\.)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b[a-z]+_(?=[A-Za-z_-]*\d)[0-9A-Za-z_-]{16,}"
)
WHEN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.]*(?:Z|[+-]\d\d:\d\d)?")
TIMES = ("_at", "_time", "Time", "_on")
"""How the names of numbers that are times end."""
SECRET = {"secret_key", "client_secret"}


class Normal:
    """Turns answers of one run into what the same run elsewhere must give."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def _label(self, found: re.Match[str]) -> str:
        text = found.group(0)
        kind = text.partition("_")[0] if "_" in text else text[:-37].rpartition(".")[2] if "-" in text else ""
        return self._labels.setdefault(text, f"<{kind or 'id'} {len(self._labels)}>")

    def text(self, text: str) -> str:
        return WHEN.sub("<time>", ID.sub(self._label, text))

    def value(self, value: Any, name: str = "") -> Any:
        """An answer of any SDK as plain data."""
        if value is None or isinstance(value, bool):
            return value
        if name in SECRET:
            return "<secret>"
        if isinstance(value, datetime) or (isinstance(value, int | float) and name.endswith(TIMES)):
            return "<time>"
        if isinstance(value, int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return f"{len(value)} bytes: {value[:40]!r}"
        if isinstance(value, dict):
            return {key: self.value(one, str(key)) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        if isinstance(value, BaseException):
            return self.value(refusal(value))
        for dump in ("model_dump", "as_dict"):
            if hasattr(value, dump):
                return self.value(getattr(value, dump)())
        raise TypeError(f"{type(value)} is no answer")


def refusal(error: BaseException) -> dict[str, Any]:
    """What an SDK's error says of an answer."""
    body = getattr(error, "body", None)
    if hasattr(body, "model_dump"):
        body = body.model_dump()
    model = getattr(error, "model", None)
    said = {
        "status": getattr(error, "status_code", None),
        "name": getattr(error, "name", None),
        "parameters": getattr(error, "parameters", None),
        "body": body,
        "model": model.as_dict() if hasattr(model, "as_dict") else None,
    }
    if all(part is None for part in said.values()):
        # Not an answer: a connection that broke, or a defect of the test.
        raise error
    return {"refused": type(error).__name__} | {name: part for name, part in said.items() if part is not None}
