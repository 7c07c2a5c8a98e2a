"""The whole grammar of conditions on metadata."""

from urllib.parse import quote

import pytest
from sederunt import Server
from vectara_wire import got, made, raw, refused

METADATA = {
    "a": {"site": "north", "size": 1, "vip": True, "profile": {"country": "US", "n": {"deep": 1}}, "user_ids": [1, 2]},
    "b": {"site": "south", "size": 2.5, "vip": False, "user_ids": [2, "x"], "note": "it's"},
    "c": {"site": "north pole", "size": 10, "note": None, "user_ids": [], "Größe": "ü"},
    "d": {"site": 7, "size": "1", "note": "100%_sure"},
    "e": {},
}


@pytest.fixture(scope="module")
def sessions(server: Server, new_agent) -> str:
    """The list of an agent whose sessions have every sort of metadata."""
    path = f"/agents/{new_agent()}/sessions"
    for key, metadata in METADATA.items():
        made(server, path, {"key": key, "metadata": metadata})
    return path


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("site = 'north'", "a"),
        ("site != 'north'", "bcd"),
        ("site <> 'north' and size > 2", "bc"),
        ("size < 10", "ab"),
        ("size <= 2.5 AND size >= 1", "ab"),
        ("size = 1", "a"),
        ("vip = true", "a"),
        ("vip = FALSE", "b"),
        ("NOT vip = true", "b"),
        ("site LIKE 'north%'", "ac"),
        ("site LIKE '_orth'", "a"),
        ("site NOT LIKE 'north%'", "bd"),
        ("site IN ('north', 'south')", "ab"),
        ("size IN (10, 1)", "ac"),
        ("site NOT IN ('north')", "bcd"),
        ("note IS NULL", "ace"),
        ("note IS NOT NULL", "bd"),
        ("note = 'it''s'", "b"),
        ("\"profile.country\" = 'US'", "a"),
        ('"profile.n.deep" = 1', "a"),
        ("\"Größe\" = 'ü'", "c"),
        ("1 IN user_ids", "a"),
        ("2 IN user_ids", "ab"),
        ("'x' IN user_ids", "b"),
        ("missing = 1 OR site = 'south'", "b"),
        ("NOT (missing = 1)", ""),
        ("site = 'south' OR site = 'north' AND size = 2", "b"),
        ("(site = 'south' OR site = 'north') AND size = 1", "a"),
        ("NOT site = 'south' AND size = 1", "a"),
        ("sItE = 'north'", ""),
        ("site iN ('north') aNd noT size Is nuLL", "a"),
    ],
)
def test_a_condition_chooses(server: Server, sessions: str, condition: str, keys: str):
    page = got(server, f"{sessions}?limit=100&metadata_filter={quote(condition)}")
    assert "".join(session["key"] for session in page["sessions"]) == keys
    assert page["metadata"]["total_count"] == len(keys)


@pytest.mark.parametrize(
    "condition",
    [
        "site",
        "site =",
        "= 'north'",
        "site = 'north",
        "site = north south",
        "(site = 'a'",
        "site = 'a' AND",
        "site IN ()",
        "site IN ('a',)",
        "site LIKE 7",
        "site == 'a'",
        "1 = 1; --",
        "x" * 8001,
        "(" * 4000 + "a = 1" + ")" * 3900,
        "NOT " * 1900 + "a = 1",
    ],
)
def test_what_is_no_condition_is_refused(server: Server, sessions: str, condition: str):
    answer = raw(server, "GET", f"{sessions}?metadata_filter={quote(condition)}")
    refused(answer, 400, "invalid_request", "metadata_filter")
