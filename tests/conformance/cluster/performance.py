"""A run at one node, and the same at three."""

from typing import Any

import over_azure
import over_palantir
import over_vectara
from nodes import Nodes, alone, cluster
from run import Run

MOST_SESSIONS = 60
OPERATIONS = [*over_palantir.OPERATIONS, *over_azure.OPERATIONS, *over_vectara.OPERATIONS]

Record = list[tuple[str, Any]]


def perform(nodes: Nodes, seed: int, calls: int) -> Record:
    """At least so many calls, and what came of each."""
    run = Run(nodes, seed)
    weights, operations = zip(*OPERATIONS, strict=True)
    while run.calls < calls:
        # There is always something to do something with, and never so much that lists are all there is to it.
        if not run.agents:
            over_azure.make_agent(run)
        elif not run.sessions:
            over_palantir.make_session(run)
        elif len(run.sessions) > MOST_SESSIONS:
            over_azure.delete_session(run)
        else:
            run.chance.choices(operations, weights)[0](run)
    return run.record


def at_one_node(seed: int, calls: int) -> Record:
    with alone() as nodes:
        return perform(nodes, seed, calls)


def at_three_nodes(seed: int, calls: int, database: str) -> Record:
    with cluster(3, database) as nodes:
        return perform(nodes, seed, calls)
