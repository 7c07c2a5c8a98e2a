"""What a restart of the server leaves: all that was answered, and responses that ran."""

import pytest
from azure_wire import HOSTED, raw
from project import client, openai
from sederunt import Server, stored
from wire import until


@pytest.fixture
def start(script, tmp_path, monkeypatch):
    """Starts a server on the same data, as often as it is called; the one before has ended then, or was killed."""
    running: list[Server] = []

    def stop(kill: bool = False) -> None:
        while running:
            if kill:
                running[0].kill()
            running.pop().__exit__()

    def start(kill: bool = False) -> Server:
        stop(kill)
        running.append(Server("--script", script, "--data", str(tmp_path / "data")).__enter__())
        # A root of its own lies with the data.
        monkeypatch.setenv("SSL_CERT_FILE", running[0].ready["ca"])
        return running[0]

    yield start
    stop()


def numbers(events) -> list[int]:
    return [event.sequence_number for event in events]


def test_everything_that_was_answered_is_there_after_a_restart(start, runner):
    server = start()
    with client(server, runner=runner) as alice:
        made = alice.agents.create_version("kept", definition=HOSTED, metadata={"a": "1"})
        session = alice.agents.create_session("kept", {"agent_session_id": "kept-session"})
        alice.agents.upload_session_file("kept", "kept-session", b"kept", path="a/b.txt")
        with openai(alice, "kept") as talk:
            conversation = talk.conversations.create(metadata={"a": "1"})
            named = {"agent_session_id": "kept-session"}
            said = talk.responses.create(input="three words", conversation=conversation.id, extra_body=named)
            streamed = list(talk.responses.create(input="think", background=True, stream=True))
    with client(start(), runner=runner) as alice:
        assert alice.agents.get_version("kept", "1") == made
        kept = alice.agents.get_session("kept", "kept-session")
        assert (kept.created_at, kept.status) == (session.created_at, "active")
        assert b"".join(alice.agents.download_session_file("kept", "kept-session", path="a/b.txt")) == b"kept"
        with openai(alice, "kept") as talk:
            assert talk.conversations.retrieve(conversation.id) == conversation
            assert talk.responses.retrieve(said.id).model_dump() == said.model_dump()
            replayed = list(talk.responses.retrieve(streamed[0].response.id, stream=True, starting_after=2))
            assert [event.model_dump() for event in replayed] == [event.model_dump() for event in streamed[3:]]
            again = talk.responses.create(input="what did I say?", conversation=conversation.id)
            assert again.output_text == "user: three words\nagent: one two three\n"
            assert again.agent_session_id == "kept-session"


@pytest.mark.parametrize("kill", [False, True])
def test_a_response_that_ran_when_the_server_ended_can_be_replayed_to_an_end(start, kill):
    server = start()
    assert raw(server, "POST", "/agents/kept/versions", {"definition": HOSTED}).status == 200
    with client(server) as alice, openai(alice, "kept") as talk:
        conversation = talk.conversations.create().id
        events = iter(talk.responses.create(input="hang", conversation=conversation, background=True, stream=True))
        seen = [next(events)]
        while "".join(getattr(event, "delta", "") for event in seen) != "one two ":
            seen.append(next(events))
        identifier = seen[0].response.id
    with client(start(kill)) as alice, openai(alice, "kept") as talk:
        # Where several may share the store, a killed server is noticed by its silence.
        until(lambda: talk.responses.retrieve(identifier).status != "in_progress", "the end of what ran")
        broken = talk.responses.retrieve(identifier)
        assert (broken.status, broken.error.code) == ("failed", "server_error")
        replayed = list(talk.responses.retrieve(identifier, stream=True))
        # What was stored comes again under the same numbers: all that was seen, but for the last moment before a kill.
        told = replayed[:-1] if kill else replayed[: len(seen)]
        assert [event.model_dump() for event in told] == [event.model_dump() for event in seen[: len(told)]]
        assert numbers(replayed) == sorted(set(numbers(replayed)))
        assert [event.type for event in replayed].count("response.failed") == 1
        # Whoever saw more than was stored is told the end all the same.
        rest = list(talk.responses.retrieve(identifier, stream=True, starting_after=seen[-1].sequence_number))
        assert rest[-1].type == "response.failed" and numbers(rest)[0] > seen[-1].sequence_number
        assert talk.conversations.items.list(conversation).data == []
        assert talk.responses.create(input="three words", conversation=conversation).output_text == "one two three"


def test_what_is_not_to_be_stored_is_nowhere_in_the_data(start, tmp_path):
    server = start()
    assert raw(server, "POST", "/agents/kept/versions", {"definition": HOSTED}).status == 200
    path = "/agents/kept/endpoint/protocols/openai/responses"
    for store, word in ((True, "this-is-stored"), (False, "this-is-not-stored")):
        assert raw(server, "POST", path, {"input": word, "store": store}).status == 200
    start()
    data = stored(tmp_path / "data")
    assert b"this-is-stored" in data
    assert b"this-is-not-stored" not in data
