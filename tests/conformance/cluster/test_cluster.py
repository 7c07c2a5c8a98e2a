"""Random operations by the vendors' SDKs: three nodes behind a client that goes round are, to all of them, one server."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from difflib import unified_diff
from multiprocessing import get_context
from typing import Any

import pytest
from performance import at_one_node, at_three_nodes
from postgres import new_database

CALLS = int(os.environ.get("CONFORMANCE_CALLS", "10000"))
SEED = int(os.environ.get("CONFORMANCE_SEED", "1"))


def test_three_nodes_answer_as_one_does():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        one = processes.submit(at_one_node, SEED, CALLS)
        three = processes.submit(at_three_nodes, SEED, CALLS, new_database())
        one, three = one.result(), three.result()
    for number, (left, right) in enumerate(zip(one, three, strict=False)):
        if left != right:
            pytest.fail(f"call {number} of seed {SEED}, {left[0]}:\n{difference(left, right)}")
    assert len(one) == len(three) >= CALLS


def difference(left: Any, right: Any) -> str:
    lines = [json.dumps(each, indent=1, ensure_ascii=False).splitlines() for each in (left, right)]
    return "\n".join(unified_diff(*lines, "one node", "three nodes", lineterm=""))
