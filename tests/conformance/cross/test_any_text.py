"""Any text survives every API, whole and in a stream, through the vendors' own clients and parsers."""

import pytest
from sederunt import Server
from vectara_clients import Talk, spoken

LETTERS = "🐝👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿 مرحبا بالعالم \u200fשלום עולם\u200f \u202eabc\u202c é é \u2028 \U0010ffff"
WORD = "🐝مرحبا👩‍👩‍👧‍👦שלוםé東京" * 40
MEGABYTE = " ".join([WORD] * (1 + 1_000_000 // len(WORD.encode())))


class Vectara:
    """One session of `echo`, over each API."""

    def __init__(self, vectara, palantir, openai, server: Server):
        self.key = vectara.agent_sessions.create("echo").key
        self.talk = Talk(vectara, "echo", self.key)

    def whole(self, text: str) -> str:
        return self.talk.answer(text)

    def stream(self, text: str) -> str:
        return spoken(self.talk.stream(text))


class Azure:
    def __init__(self, vectara, palantir, openai, server: Server):
        self.key = vectara.agent_sessions.create("echo").key
        self.responses = openai("echo").responses

    def whole(self, text: str) -> str:
        return self.responses.create(input=text, extra_body={"agent_session_id": self.key}).output_text

    def stream(self, text: str) -> str:
        events = self.responses.create(input=text, stream=True, extra_body={"agent_session_id": self.key})
        return "".join(event.delta for event in events if event.type == "response.output_text.delta")


class Palantir:
    def __init__(self, vectara, palantir, openai, server: Server):
        self.key = vectara.agent_sessions.create("echo").key
        self.sessions = palantir.Session
        self.agent = server.agent("echo")
        (self.session,) = (session.rid for session in self.sessions.list(self.agent))

    def whole(self, text: str) -> str:
        said = {"user_input": {"text": text}, "parameter_inputs": {}}
        return self.sessions.blocking_continue(self.agent, self.session, **said).agent_markdown_response

    def stream(self, text: str) -> str:
        said = {"user_input": {"text": text}, "parameter_inputs": {}}
        with self.sessions.with_streaming_response.streaming_continue(self.agent, self.session, **said) as response:
            return b"".join(response.iter_bytes()).decode()


@pytest.mark.parametrize("api", [Vectara, Azure, Palantir])
@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("text", [LETTERS, MEGABYTE], ids=["letters", "megabyte"])
def test_any_text_survives(server: Server, vectara, palantir, openai, api, way: str, text: str):
    session = api(vectara, palantir, openai, server)
    assert getattr(session, way)(text) == text

    # And is read over all of them, as it was said and as it was answered.
    said, answered = Talk(vectara, "echo", session.key).list()
    assert (said.messages[0].content, answered.content) == (text, text)
    agent = server.agent("echo")
    (found,) = palantir.Session.list(agent)
    (exchange,) = palantir.Session.Content.get(agent, found.rid).exchanges
    assert (exchange.user_input.text, exchange.result.agent_markdown_response) == (text, text)
    client = openai("echo")
    (listed,) = client.get("/responses", cast_to=object, options={"params": {"agent_name": "echo"}})["data"]
    assert client.responses.retrieve(listed["id"]).output_text == text
    (item,) = client.responses.input_items.list(listed["id"])
    assert item.content[0].text == text
