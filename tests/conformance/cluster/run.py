"""One run: operations drawn from a seed, each call at another node than the last, and what came of each."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from nodes import Node, Nodes
from normal import Normal


@dataclass
class Agent:
    key: str
    rid: str


@dataclass
class Session:
    agent: Agent
    key: str
    rid: str


@dataclass
class Run:
    """Draws by its seed from what is there; two runs that are told the same draw the same."""

    nodes: Nodes
    seed: int
    calls: int = 0
    agents: list[Agent] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    record: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._normal = Normal()
        self._drawn = 0

    def call(
        self,
        name: str,
        make: Callable[[Node], Any],
        *,
        user: str = "alice",
        show: Callable[[Any], Any] = lambda answer: answer,
    ) -> Any:
        """One call of an SDK at the next node. Its answer goes into the record as `show` has it; `None` if it was refused."""
        node = self.nodes.next(user)
        self.calls += 1
        try:
            answer = make(node)
            outcome = self._normal.value(show(answer))
        except Exception as error:
            answer, outcome = None, self._normal.value(error)
        self.record.append((name, outcome))
        return answer

    def name(self, kind: str) -> str:
        """A name that nothing has yet."""
        self._drawn += 1
        return f"{kind}-{self._drawn:06}"

    def uuid(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def rid(self, agent: str) -> str:
        """How the Palantir API names an agent."""
        return self.nodes.next().server.agent_rid(agent)

    def some_session(self) -> Session:
        """A session, often one that was used a moment ago."""
        recent = self.chance.random() < 0.5
        return self.chance.choice(self.sessions[-5:] if recent else self.sessions)

    def forget(self, agent: Agent) -> None:
        self.agents.remove(agent)
        self.sessions = [session for session in self.sessions if session.agent is not agent]


def until_said(chunks: Any, wanted: str, text: Callable[[Any], str] = str) -> str:
    """Reads until so much was said: how it is cut into pieces is nobody's promise."""
    said = ""
    while said != wanted:
        said += text(next(chunks))
        if not wanted.startswith(said):
            break
    return said
