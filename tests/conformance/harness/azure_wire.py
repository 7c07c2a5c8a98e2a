"""Raw requests below a project of the Azure dialect, and the envelope that its errors have."""

from typing import Any

from sederunt import Server
from wire import Answer, send

PROJECT = "/api/projects/default"
HOSTED = {
    "kind": "hosted",
    "cpu": "0.5",
    "memory": "1Gi",
    "container_configuration": {"image": "example/scripted:1"},
    "protocol_versions": [{"protocol": "responses", "version": "2.0.0"}],
}
"""A definition that a hosted agent may have."""


def raw(server: Server, method: str, path: str, body: Any = None, *, version: str | None = "v1", **more: Any) -> Answer:
    """One request below the project, with an `api-version` unless that is `None`."""
    if version is not None:
        path += f"{'&' if '?' in path else '?'}api-version={version}"
    return send(server, method, PROJECT + path, body, **more)


def refused(answer: Answer, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """Checks that this is that error in the envelope that every error of the dialect has; the error."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert {"code", "message", "param", "type", "details", "additionalInfo"} <= set(error)
    assert (error["code"], error["param"]) == (code, param), error
    assert error["message"] and "innererror" not in error
    assert error["additionalInfo"]["request_id"] == answer.headers["x-request-id"]
    return error
