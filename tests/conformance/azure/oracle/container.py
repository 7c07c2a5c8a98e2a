"""A running hosted agent in the vendor's own runtime. Ends with its `with` block."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wire import until

AGENT = Path(__file__).with_name("agent.py")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Container:
    """The process of one agent, and what it was asked."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sederunt-container-")
        self._record = Path(self._folder.name) / "requests.jsonl"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Container":
        log = Path(self._folder.name) / "log"
        # What it keeps and whom it tells of its work is set: neither the home nor a collector of whoever runs this.
        ours = {"AGENTSERVER_STATE_ROOT": self._folder.name, "OTEL_SDK_DISABLED": "true"}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(AGENT), str(self.port), str(self._record)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={name: value for name, value in os.environ.items() if not name.startswith("FOUNDRY_")} | ours,
            )
        try:
            until(self._ready, "the container to be ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _ready(self) -> bool:
        assert self._process.poll() is None, "the container ended before it was ready"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readiness")
            return connection.getresponse().status == 200
        except ConnectionError:
            return False
        finally:
            connection.close()

    def asked(self) -> list[dict[str, Any]]:
        """The requests that came so far: method, path, query and headers."""
        return [line for line in self._lines() if "method" in line]

    def cancelled(self) -> list[str]:
        """The ids of the responses whose end was asked for."""
        return [line["cancelled"] for line in self._lines() if "cancelled" in line]

    def _lines(self) -> list[dict[str, Any]]:
        if not self._record.exists():
            return []
        return [json.loads(line) for line in self._record.read_text(encoding="utf-8").splitlines()]
