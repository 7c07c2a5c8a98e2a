"""Databases of PostgreSQL for servers under test, if this run is on it: one PostgreSQL for the process, gone with it."""

import os
import subprocess
from functools import cache
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "target/debug/sederunt-test-postgres"
ON_POSTGRES = os.environ.get("CONFORMANCE_STORE", "sqlite") == "postgres"


@cache
def _running() -> subprocess.Popen[str]:
    # It ends when its input closes, which the system sees to if we do not.
    return subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _asked(question: str) -> str:
    process = _running()
    print(question, file=process.stdin, flush=True)
    answer = process.stdout.readline().strip()
    if not answer:
        raise RuntimeError("there is no PostgreSQL to test with")
    return answer


def new_database() -> str:
    """The URL of a fresh database."""
    return _asked("database")


def folder() -> Path:
    """Where all databases lie."""
    return Path(_asked("folder"))


@cache
def database_of(folder: str) -> str:
    """The database that takes the place of this data directory: the same for the same folder."""
    return new_database()
