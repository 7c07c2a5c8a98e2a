"""What a response is, whatever the agent answers: in one piece, as a stream, and looked at afterwards."""

import pytest

TOOLS = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]
ANSWERS = ["three words", "weather", "two cities", "think", "refuse", "cut off"]
FAILURES = ["break before anything", "break after two words"]


@pytest.mark.parametrize("said", ANSWERS)
def test_plain(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, tools=TOOLS)
        side.get(made.id)
        side.items(made.id)


@pytest.mark.parametrize("said", ANSWERS)
def test_stream(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, tools=TOOLS, stream=True)
        side.get(made.id)


@pytest.mark.parametrize("said", ANSWERS)
def test_background(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, tools=TOOLS, background=True)
        side.ended(made.id)


@pytest.mark.parametrize("said", ANSWERS)
def test_background_stream(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, tools=TOOLS, background=True, stream=True)
        side.get(made.id)
        side.get(made.id, stream="true")


@pytest.mark.parametrize("said", FAILURES)
def test_failed_plain(compare, said: str):
    @compare
    def _(side):
        side.create(said)


@pytest.mark.parametrize("said", FAILURES)
def test_failed_stream(compare, said: str):
    @compare
    def _(side):
        side.create(said, stream=True)


@pytest.mark.parametrize("said", FAILURES)
def test_failed_background(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, background=True, note=False)
        side.ended(made.id)


def test_no_input(compare):
    @compare
    def _(side):
        side.create()


def test_empty_input(compare):
    @compare
    def _(side):
        side.create([])


def test_everything_asked(compare):
    @compare
    def _(side):
        made = side.create(
            "three words",
            include=["reasoning.encrypted_content"],
            instructions="Be kind.",
            max_output_tokens=100,
            metadata={"colour": "blue"},
            model="m",
            parallel_tool_calls=True,
            prompt_cache_key="key",
            reasoning={"effort": "low"},
            safety_identifier="someone",
            service_tier="auto",
            structured_inputs={"place": "Paris"},
            temperature=0.5,
            text={"format": {"type": "text"}},
            tool_choice="auto",
            tools=TOOLS,
            top_p=0.9,
            truncation="auto",
            user="someone",
        )
        side.get(made.id)


def test_unknown_members(compare):
    @compare
    def _(side):
        side.create("three words", nonsense=1)


def test_stream_options(compare):
    @compare
    def _(side):
        side.create("three words", stream=True, stream_options={"include_obfuscation": False})


def test_own_session(compare):
    @compare
    def _(side):
        made = side.create("three words", agent_session_id="my-session-001")
        assert made.headers["x-agent-session-id"] == made.json["agent_session_id"] == "my-session-001"


def test_empty_session_id(compare):
    @compare
    def _(side):
        side.create("three words", agent_session_id="")


def test_named_agent(compare):
    @compare
    def _(side):
        side.create("three words", agent_reference={"type": "agent_reference", "name": "server-default-agent"})
