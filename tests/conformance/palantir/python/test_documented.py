"""What documentation shows, done as it stands there: the vendor's three calls with curl, and our README's example."""

import json
import os
import re
import subprocess
import sys

import pytest
from sederunt import ROOT
from talk import WAIT, say

SESSION = {"metadata", "agentRid", "agentVersion", "rid"}
METADATA = {"updatedTime", "estimatedExpiresTime", "messageCount", "createdTime", "title"}

CREATE = """\
curl -X POST \\
-H "Content-type: application/json" \\
-H "Authorization: Bearer $TOKEN" \\
"https://$HOSTNAME/api/v2/aipAgents/agents/ri.aip-agents..agent.732cd5b4-7ca7-4219-aabb-6e976faf63b1/sessions?preview=true" \\
-d '{"agentVersion":"1.0"}'
"""

GET = """\
curl \\
-H "Authorization: Bearer $TOKEN" \\
"https://$HOSTNAME/api/v2/aipAgents/agents/ri.aip-agents..agent.732cd5b4-7ca7-4219-aabb-6e976faf63b1/sessions/ri.aip-agents..session.292db3b2-b653-4de6-971c-7e97a7b881d6?preview=true"
"""

LIST_ALL = """\
curl \\
-H "Authorization: Bearer $TOKEN" \\
"https://$HOSTNAME/api/v2/aipAgents/agents/allSessions?pageSize=100&pageToken=v1.QnVpbGQgdGhlIEZ1dHVyZTogaHR0cHM6Ly93d3cucGFsYW50aXIuY29tL2NhcmVlcnMvP2xldmVyLXNvdXJjZSU1YiU1ZD1BUElEb2NzI29wZW4tcG9zaXRpb25z&preview=true"
"""

AGENT_RID = "ri.aip-agents..agent.732cd5b4-7ca7-4219-aabb-6e976faf63b1"
SESSION_RID = "ri.aip-agents..session.292db3b2-b653-4de6-971c-7e97a7b881d6"


@pytest.fixture
def run(server):
    """Runs a documented call over TLS, trusting our root alone: the host, the token and the RIDs are ours."""

    def run(call: str, *, user: str, agent: str, session: str = SESSION_RID):
        environment = {
            "PATH": os.environ["PATH"],
            "HOSTNAME": server.ready["https"].removeprefix("https://").rstrip("/"),
            "TOKEN": server.token(user),
            "CURL_CA_BUNDLE": server.ready["ca"],
        }
        call = call.replace(AGENT_RID, agent).replace(SESSION_RID, session)
        done = subprocess.run(["sh", "-c", call], capture_output=True, text=True, timeout=WAIT, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_documented_calls_are_answered_with_the_documented_fields(run, server, bob, echo):
    made = run(CREATE, user="bob", agent=echo)
    assert set(made) == SESSION and set(made["metadata"]) == METADATA
    assert (made["agentRid"], made["agentVersion"]) == (echo, "1.0")
    for message in ("What is the status of my order?", "And now?", "And then?"):
        say(bob, echo, made["rid"], message)
    got = run(GET, user="bob", agent=echo, session=made["rid"])
    assert set(got) == SESSION and set(got["metadata"]) == METADATA
    assert (got["rid"], got["metadata"]["messageCount"]) == (made["rid"], 6)
    assert got["metadata"]["title"] == "What is the status of my order?"
    assert run(LIST_ALL, user="bob", agent=echo)["data"][0] == got


def test_the_documented_walk_begins_at_the_first_page(run, bob, echo):
    sessions = bob.aip_agents.Agent.Session
    newest = [sessions.create(echo).rid for _ in range(101)][:0:-1]
    page = run(LIST_ALL, user="bob", agent=echo)
    assert set(page) == {"data", "nextPageToken"}
    assert [session["rid"] for session in page["data"]] == newest
    assert all(set(session) == SESSION and set(session["metadata"]) == METADATA for session in page["data"])
    # The token that it brings leads on, where the documented one did not.
    token = re.search("pageToken=([^&]*)", LIST_ALL)[1]
    rest = run(LIST_ALL.replace(token, page["nextPageToken"]), user="bob", agent=echo)["data"]
    assert rest and not {session["rid"] for session in rest} & set(newest)


def test_the_readme_prints_what_it_says(server):
    readme = (ROOT / "README.md").read_text()
    snippet, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", readme, re.DOTALL).groups()
    host = server.ready["http"].removeprefix("http://").rstrip("/")
    assert snippet.count("127.0.0.1:7080") == 1
    snippet = snippet.replace("127.0.0.1:7080", host)
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=2 * WAIT)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
