"""Descriptions that a model writes, where one is configured for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sederunt import Server
from vectara_clients import Talk, client
from vectara_wire import SMALLEST, made
from wire import until

ANSWERS = """
builtin = false

[[rule]]
turn = 1
reply = "the first answer"

[[rule]]
turn = 2
reply = "the second answer"
"""

DESCRIPTIONS = """
builtin = false

[[rule]]
text = "^User: about bees"
reply = "Bees, and when they wake."
"""


@pytest.fixture(scope="module")
def described(server: Server, tmp_path_factory) -> Iterator[Server]:
    """A server with a model that describes."""
    folder: Path = tmp_path_factory.mktemp("scripts")
    answers, descriptions = folder / "answers.toml", folder / "descriptions.toml"
    answers.write_text(ANSWERS)
    descriptions.write_text(DESCRIPTIONS)
    settings = {
        "models.describer.provider": "script",
        "models.describer.file": str(descriptions),
        "vectara.description_model": "describer",
    }
    flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
    with Server("--script", str(answers), *flags) as server:
        made(server, "/agents", SMALLEST | {"key": "agt_bees"})
        yield server


@pytest.fixture
def bees(described: Server, runner) -> Any:
    return client(described, "alice", runner=runner)


def answers(client: Any, session: str, *texts: str) -> list[str]:
    """What the agent answers to these messages."""
    talk = Talk(client, "agt_bees", session)
    return [talk.say(text)[-1].content for text in texts]


def description(client: Any, session: str) -> str:
    return client.agent_sessions.get("agt_bees", session).description


def until_described(client: Any, session: str) -> None:
    until(lambda: description(client, session) == "Bees, and when they wake.", "the model's description")


def test_a_model_describes_a_session_and_spends_none_of_the_agent_s_answers(bees):
    session = bees.agent_sessions.create("agt_bees").key
    assert answers(bees, session, "about bees") == ["the first answer"]
    until_described(bees, session)
    assert answers(bees, session, "about bees") == ["the second answer"]
    listed = bees.agent_sessions.list("agt_bees", filter="when they wake")
    assert session in [found.key for found in listed]


def test_what_somebody_says_of_a_session_stays(bees):
    sessions = bees.agent_sessions
    mine, nothing = sessions.create("agt_bees", description="mine").key, sessions.create("agt_bees", description="").key
    changed = sessions.create("agt_bees").key
    for session in [mine, nothing, changed]:
        answers(bees, session, "about bees")
    sessions.update("agt_bees", changed, description="changed")
    witness = sessions.create("agt_bees").key
    answers(bees, witness, "about bees")
    until_described(bees, witness)
    assert [description(bees, session) for session in [mine, nothing, changed]] == ["mine", "", "changed"]


def test_a_model_that_fails_leaves_the_first_message(bees):
    session = bees.agent_sessions.create("agt_bees").key
    assert answers(bees, session, "about wasps", "about bees") == ["the first answer", "the second answer"]
    until_described(bees, session)
    other = bees.agent_sessions.create("agt_bees").key
    answers(bees, other, "about wasps")
    assert description(bees, other) == "about wasps"
