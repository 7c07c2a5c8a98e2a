"""Lists of sessions: pages, their tokens, filters and counts."""

import base64
import json
from typing import Any

import pytest
from vectara import NotFoundError
from vectara.core.api_error import ApiError

TOKEN = "eyJzZXNzaW9uX2lkIjoiYXNlX2N1c3RvbWVyX3N1cHBvcnRfMDAzIn0="


def extra(**parameters: Any) -> dict[str, Any]:
    """Query parameters for which the SDK has no argument."""
    return {"additional_query_parameters": parameters}


@pytest.fixture(scope="module")
def seven(alice, new_agent) -> str:
    """An agent with seven sessions, `s0` to `s6`, of which two are disabled."""
    agent = new_agent()
    for at in (3, 1, 0, 6, 5, 2, 4):
        alice.agent_sessions.create(
            agent,
            key=f"s{at}",
            name=f"Session {at} {'north' if at % 2 else 'south'}",
            description="A pump is due" if at == 4 else None,
            metadata={
                "at": at,
                "site": "north" if at % 2 else "south",
                "tags": ["a", at],
                "deep": {"even": at % 2 == 0},
            },
            enabled=at not in {2, 5},
        )
    return agent


def keys(found: Any) -> list[str]:
    return [session.key for session in found]


def test_the_pager_walks_all_pages(alice, seven: str):
    pager = alice.agent_sessions.list(seven, limit=3)
    assert pager.response.metadata.total_count == 7
    assert keys(pager) == [f"s{at}" for at in range(7)]


def test_the_last_page_has_no_token(alice, seven: str):
    page = alice.agent_sessions.list(seven, limit=7).response
    assert "page_key" not in page.metadata.model_dump(exclude_unset=True)
    assert page.metadata.total_count == 7


@pytest.mark.parametrize("limit", [10, 100])
def test_the_limits_of_the_vendor_s_tests_are_taken(alice, seven: str, limit: int):
    assert len(alice.agent_sessions.list(seven, limit=limit).response.sessions) == 7


def test_ten_is_what_a_page_has(alice, new_agent):
    agent = new_agent()
    for at in range(11):
        alice.agent_sessions.create(agent, key=f"k{at:02}")
    page = alice.agent_sessions.list(agent).response
    assert keys(page.sessions) == [f"k{at:02}" for at in range(10)]
    assert json.loads(base64.b64decode(page.metadata.page_key))["session_id"] == "k09"


def test_an_agent_without_sessions_has_an_empty_list(alice, agent: str):
    page = alice.agent_sessions.list(agent).response
    assert (page.sessions, page.metadata.total_count) == ([], 0)
    assert list(alice.agent_sessions.list(agent)) == []


def test_a_hundred_and_twenty_seven_sessions_are_six_pages(alice, new_agent):
    agent = new_agent()
    wanted = [f"ase_customer_support_{at:03}" for at in range(127)]
    for key in wanted:
        alice.agent_sessions.create(agent, key=key)
    found, sizes, page_key = [], [], None
    while True:
        page = alice.agent_sessions.list(agent, limit=25, page_key=page_key).response
        assert page.metadata.total_count == 127
        found += keys(page.sessions)
        sizes.append(len(page.sessions))
        page_key = page.metadata.page_key
        if page_key is None:
            break
    assert (found, sizes) == (wanted, [25] * 5 + [2])


def test_the_token_is_the_documented_one(alice, new_agent):
    agent = new_agent()
    for at in (1, 2, 3, 4):
        alice.agent_sessions.create(agent, key=f"ase_customer_support_00{at}")
    page = alice.agent_sessions.list(agent, limit=3).response
    assert page.metadata.page_key == TOKEN
    rest = alice.agent_sessions.list(agent, limit=3, page_key=TOKEN).response
    assert keys(rest.sessions) == ["ase_customer_support_004"]
    # The place is a key: it holds when the session is gone, and when padding was lost on the way.
    alice.agent_sessions.delete(agent, "ase_customer_support_003")
    rest = alice.agent_sessions.list(agent, limit=3, page_key=TOKEN.rstrip("=")).response
    assert keys(rest.sessions) == ["ase_customer_support_004"]
    assert rest.metadata.total_count == 3


def test_what_comes_during_a_walk_is_neither_skipped_nor_doubled(alice, new_agent):
    agent = new_agent()
    for key in ("b", "d", "f"):
        alice.agent_sessions.create(agent, key=key)
    page = alice.agent_sessions.list(agent, limit=2).response
    for key in ("a", "e"):
        alice.agent_sessions.create(agent, key=key)
    rest = alice.agent_sessions.list(agent, limit=9, page_key=page.metadata.page_key).response
    assert keys(page.sessions) + keys(rest.sessions) == ["b", "d", "e", "f"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"enabled": "true"}, [0, 1, 3, 4, 6]),
        ({"enabled": "false"}, [2, 5]),
        ({"metadata_filter": "site = 'north'"}, [1, 3, 5]),
        ({"metadata_filter": "at >= 2 AND NOT (at = 4 OR at > 5)"}, [2, 3, 5]),
        ({"metadata_filter": "site LIKE 's_uth'", "enabled": "true"}, [0, 4, 6]),
        ({"metadata_filter": "5 IN tags"}, [5]),
        ({"metadata_filter": '"deep.even" = true AND at <> 0'}, [2, 4, 6]),
    ],
)
def test_filters_hold_for_pages_and_counts(alice, seven: str, query: dict[str, str], wanted: list[int]):
    pager = alice.agent_sessions.list(seven, limit=2, request_options=extra(**query))
    assert pager.response.metadata.total_count == len(wanted)
    assert keys(pager) == [f"s{at}" for at in wanted]


def test_a_regular_expression_looks_into_name_and_description(alice, seven: str):
    pager = alice.agent_sessions.list(seven, limit=1, filter="[35] nor.h$|^A pump")
    assert pager.response.metadata.total_count == 3
    assert keys(pager) == ["s3", "s4", "s5"]
    assert keys(alice.agent_sessions.list(seven, filter="NORTH")) == []
    together = extra(metadata_filter="at < 5", enabled="true")
    assert keys(alice.agent_sessions.list(seven, filter="north", request_options=together)) == ["s1", "s3"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("enabled", "perhaps"),
        ("filter", "("),
        ("metadata_filter", "at ="),
        ("metadata_filter", "at = 1; DROP TABLE sessions"),
        ("page_key", "nonsense"),
        ("page_key", base64.b64encode(b'{"event_id":"aev_1"}').decode()),
    ],
)
def test_what_a_list_cannot_read_is_named(alice, seven: str, field: str, value: str):
    with pytest.raises(ApiError) as caught:
        alice.agent_sessions.list(seven, request_options=extra(**{field: value}))
    assert caught.value.status_code == 400
    assert caught.value.body["code"] == "invalid_request"
    assert caught.value.body["field_errors"][field]


def test_an_unknown_agent_has_no_list(alice):
    with pytest.raises(NotFoundError) as caught:
        alice.agent_sessions.list("agt_nobody")
    assert caught.value.body["code"] == "agent_not_found"
