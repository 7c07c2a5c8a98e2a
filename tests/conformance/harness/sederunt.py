"""A server under test: the binary, started on free ports of its own, known by its ready file and by nothing else."""

import json
import os
import subprocess
import tempfile
import time
import tomllib
from contextlib import suppress
from pathlib import Path

from postgres import ON_POSTGRES, database_of, folder, new_database

ROOT = Path(__file__).resolve().parents[3]
BINARY = os.environ.get("CONFORMANCE_BINARY", str(ROOT / "target/debug/sederunt"))
SCHEME = os.environ.get("CONFORMANCE_SCHEME", "http")
START_LIMIT = 30.0
"""Seconds that a start may take on a busy machine."""


def on_postgres(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of `dev`, with a database in the place of the data directory."""
    if "--data" in arguments:
        at = arguments.index("--data")
        rest, database = arguments[:at] + arguments[at + 2 :], database_of(arguments[at + 1])
        # Whoever starts again on the same database finds its former life, and sees soon that it is over.
        rest = (*rest, "--set", "node.beat=100ms", "--set", "node.dead_after=500ms")
    else:
        rest, database = arguments, new_database()
    return (*rest, "--set", f"store.url={database}")


def stored(data: Path) -> bytes:
    """All that lies on the disk where a server with this data directory keeps its data."""
    found = bytearray()
    for path in (folder() if ON_POSTGRES else data).rglob("*"):
        # A database that runs removes files at times.
        with suppress(FileNotFoundError):
            found += path.read_bytes() if path.is_file() else b""
    return bytes(found)


class Server:
    """A running `sederunt dev`. Ends with its `with` block."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None):
        self._folder = tempfile.TemporaryDirectory(prefix="sederunt-conformance-")
        self._arguments = on_postgres(arguments) if ON_POSTGRES else arguments
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEDERUNT_")}
        # The root that `dev` makes is kept, so that a run trusts one; not in the home of whoever runs this.
        ours = {"SEDERUNT_HTTP_DRAIN": "1s", "XDG_STATE_HOME": str(ROOT / "target/xtask/state")}
        self._environment = inherited | ours | (environment or {})

    def __enter__(self) -> "Server":
        self._ready = ready = Path(self._folder.name) / "ready.json"
        self.log = Path(self._folder.name) / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [BINARY, "dev", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]
                + ["--ready-file", str(ready), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        deadline = time.monotonic() + START_LIMIT
        while not ready.exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended before it was ready:\n{self.log.read_text()}")
            if time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"the server was not ready in {START_LIMIT} s:\n{self.log.read_text()}")
            time.sleep(0.01)
        self.ready = json.loads(ready.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def kill(self) -> None:
        """Ends it without a word to it; its `with` block then only tidies up."""
        self._process.kill()
        self._process.wait()

    @property
    def url(self) -> str:
        """The base address, in the scheme that this run tests."""
        return self.ready[SCHEME].rstrip("/")

    @property
    def host(self) -> str:
        """`address:port`, as SDKs want it."""
        return self.url.split("://")[1]

    def token(self, name: str) -> str:
        """A development user's token."""
        return next(user["token"] for user in self.ready["users"] if user["name"] == name)

    def agent(self, key: str) -> str:
        """The RID of an agent that was there at the start."""
        return next(agent["rid"] for agent in self.ready["agents"] if agent["key"] == key)

    def agent_rid(self, key: str) -> str:
        """The RID of an agent that was made meanwhile, as the command line tells it."""
        return json.loads(self.cli("agent", "show", key, "--json"))["rid"]

    def cli(self, *arguments: str) -> str:
        """Runs a command of the binary against this server; what it prints."""
        environment = self._environment | {"SEDERUNT_READY_FILE": str(self._ready)}
        done = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=30, env=environment, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise RuntimeError(f"sederunt {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def create_agent(self, definition: str, *, publish: bool = True) -> str:
        """Makes an agent from the text of its TOML file; its RID."""
        key = tomllib.loads(definition)["key"]
        path = Path(self._folder.name) / f"{key}.toml"
        path.write_text(definition)
        made = self.cli("agent", "create", str(path), "--json", *(["--publish"] if publish else []))
        return json.loads(made)["rid"]

    def save_agent(self, key: str, definition: str) -> None:
        """Saves a new version of an agent, unpublished."""
        path = Path(self._folder.name) / f"{key}.toml"
        path.write_text(definition)
        self.cli("agent", "save", key, str(path))

    def advance(self, duration: str) -> None:
        """Moves the clock on, by such as `25h`."""
        self.cli("clock", "advance", duration)
