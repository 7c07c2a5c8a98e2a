"""Responses that continue others, and function calls that their caller answers."""

from sides import NO_RESPONSE


def test_chain(compare):
    @compare
    def _(side):
        first = side.create("hello", note=False)
        second = side.create("three words", previous_response_id=first.id)
        third = side.create("what did I say?", previous_response_id=second.id)
        side.items(third.id)


def test_fork(compare):
    @compare
    def _(side):
        first = side.create("hello", note=False)
        side.create("three words", previous_response_id=first.id, note=False)
        side.create("what did I say?", previous_response_id=first.id)


def test_streamed_chain(compare):
    @compare
    def _(side):
        first = side.create("hello", stream=True, note=False)
        side.create("what did I say?", previous_response_id=first.id, stream=True)


def test_function_call(compare):
    @compare
    def _(side):
        tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]
        called = side.create("weather", tools=tools)
        call = called.json["output"][0]["call_id"]
        output = [{"type": "function_call_output", "call_id": call, "output": "sunny"}]
        answered = side.create(output, previous_response_id=called.id, tools=tools)
        assert answered.json["output"][0]["content"][0]["text"] == "It is sunny."
        side.items(answered.id)


def test_malformed_predecessor(compare):
    @compare
    def _(side):
        side.create("hello", previous_response_id="nonsense")


def test_unknown_predecessor(compare):
    @compare
    def _(side):
        side.create("hello", previous_response_id=NO_RESPONSE)


def test_deleted_predecessor(compare):
    @compare
    def _(side):
        first = side.create("hello", note=False)
        side.delete(first.id)
        side.create("hello", previous_response_id=first.id)


def test_unstored_predecessor(compare):
    @compare
    def _(side):
        first = side.create("hello", store=False, note=False)
        side.create("hello", previous_response_id=first.id)


def test_running_predecessor(compare):
    @compare
    def _(side):
        running = side.began("hang", "one two ")
        side.create("hello", previous_response_id=running)
        side.cancel(running)


def test_unknown_conversation(compare):
    @compare
    def _(side):
        side.create("hello", conversation="conv_nobody")


def test_conversation_and_predecessor(compare):
    @compare
    def _(side):
        first = side.create("hello", note=False)
        side.create("hello", previous_response_id=first.id, conversation={"id": "conv_nobody"})
