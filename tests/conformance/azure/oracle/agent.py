"""A hosted agent in the vendor's own container runtime: `agent.py PORT RECORD`.

It answers what the user says as the script beside it (`script.toml`) lets Sederunt answer, so that the two can be compared.
A line of JSON in RECORD tells of each request (its method, path, query and headers), another of each response whose end
was asked for.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from azure.ai.agentserver.invocations import InvocationAgentServerHost
from azure.ai.agentserver.responses import InMemoryResponseProvider, ResponseEventStream, ResponsesAgentServerHost
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

PACE = 0.25
"""Seconds between the words of a slow answer."""

USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 10,
}


RECORD = sys.argv[2]


def note(line: dict[str, Any]) -> None:
    with open(RECORD, "a", encoding="utf-8") as record:
        record.write(json.dumps(line) + "\n")


class Recorder:
    """Writes down what each request carried."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] != "/readiness":
            headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
            query = scope["query_string"].decode()
            note({"method": scope["method"], "path": scope["path"], "query": query, "headers": headers})
        await self.app(scope, receive, send)


class Host(InvocationAgentServerHost, ResponsesAgentServerHost):
    """Both protocols on one port."""


app = Host(store=InMemoryResponseProvider())


def words(text: str) -> list[str]:
    """A word with the blank after it, as Sederunt's scripts cut an answer."""
    return re.findall(r"\S+\s*", text)


async def say(stream: ResponseEventStream, text: str, pace: float = 0) -> AsyncIterator[Any]:
    """A message of this text, a word an event."""
    message = stream.add_output_item_message()
    yield message.emit_added()
    part = message.add_text_content()
    yield part.emit_added()
    for at, word in enumerate(words(text)):
        await asyncio.sleep(pace if at else 0)
        yield part.emit_delta(word)
    yield part.emit_text_done()
    yield part.emit_done()
    yield message.emit_done()


async def begin(stream: ResponseEventStream, text: str) -> AsyncIterator[Any]:
    """The beginning of a message that does not end."""
    message = stream.add_output_item_message()
    yield message.emit_added()
    part = message.add_text_content()
    yield part.emit_added()
    for word in words(text):
        yield part.emit_delta(word)


def texts_of(items: Any) -> list[str]:
    """What the messages among `items` say."""
    return [part["text"] for item in items for part in item.get("content") or [] if part.get("text")]


def search(stream: ResponseEventStream) -> Iterator[Any]:
    call = stream.add_output_item_web_search_call()
    yield call.emit_added()
    yield call.emit_in_progress()
    yield call.emit_searching()
    yield call.emit_completed()
    yield call.emit_done()


def run_code(stream: ResponseEventStream) -> Iterator[Any]:
    call = stream.add_output_item_code_interpreter_call()
    yield call.emit_added()
    yield call.emit_in_progress()
    yield call.emit_interpreting()
    yield from call.code("print(1)")
    yield call.emit_completed()
    yield call.emit_done()


def draw(stream: ResponseEventStream) -> Iterator[Any]:
    call = stream.add_output_item_image_gen_call()
    yield call.emit_added()
    yield call.emit_in_progress()
    yield call.emit_generating()
    yield call.emit_completed()
    yield call.emit_done("AAAA")


def ask_server(stream: ResponseEventStream) -> Iterator[Any]:
    tools = stream.add_output_item_mcp_list_tools("pumps")
    yield tools.emit_added()
    yield tools.emit_in_progress()
    yield tools.emit_completed()
    yield tools.emit_done()
    call = stream.add_output_item_mcp_call("pumps", "list")
    yield call.emit_added()
    yield call.emit_in_progress()
    yield from call.arguments("{}")
    yield call.emit_completed()
    yield call.emit_done()


def call_own_kind(stream: ResponseEventStream) -> Iterator[Any]:
    call = stream.add_output_item_custom_tool_call("call_1", "grep")
    yield call.emit_added()
    yield from call.input("pump")
    yield call.emit_done()


OWN_TOOLS = {
    "search": search,
    "run code": run_code,
    "draw": draw,
    "ask a server": ask_server,
    "a tool of another kind": call_own_kind,
}
"""What an agent does by itself before it says that it is done."""


@app.response_handler
async def answer(request: Any, context: Any, cancelled: asyncio.Event) -> AsyncIterator[Any]:
    said = await context.get_input_items()
    outputs = [item for item in said if item["type"] == "function_call_output"]
    text = "\n".join(texts_of(item for item in said if item.get("role") == "user"))
    stream = ResponseEventStream(response_id=context.response_id, request=request)
    if text == "break before anything":
        raise RuntimeError("the handler broke")
    yield stream.emit_created()
    yield stream.emit_in_progress()
    usage = None
    if outputs:
        async for event in say(stream, f"It is {outputs[-1]['output']}."):
            yield event
    elif text == "weather":
        call = stream.add_output_item_function_call("get_weather", "call_1")
        yield call.emit_added()
        yield call.emit_arguments_delta('{"city":"Paris"}')
        yield call.emit_arguments_done('{"city":"Paris"}')
        yield call.emit_done()
    elif text == "two cities":
        for at, city in enumerate(("Paris", "Rome"), 1):
            call = stream.add_output_item_function_call("get_weather", f"call_{at}")
            yield call.emit_added()
            arguments = json.dumps({"city": city}, separators=(",", ":"))
            yield call.emit_arguments_delta(arguments)
            yield call.emit_arguments_done(arguments)
            yield call.emit_done()
    elif text == "think":
        thought = stream.add_output_item_reasoning_item()
        yield thought.emit_added()
        for event in thought.summary_part("Let me think."):
            yield event
        yield thought.emit_done()
        async for event in say(stream, "Thought about it."):
            yield event
    elif text in OWN_TOOLS:
        for event in OWN_TOOLS[text](stream):
            yield event
        async for event in say(stream, "Done."):
            yield event
    elif text == "refuse":
        message = stream.add_output_item_message()
        yield message.emit_added()
        refusal = message.add_refusal_content()
        yield refusal.emit_added()
        for word in words("I will not."):
            yield refusal.emit_delta(word)
        yield refusal.emit_refusal_done("I will not.")
        yield refusal.emit_done()
        yield message.emit_done()
    elif text == "break after two words":
        async for event in begin(stream, "one two "):
            yield event
        raise RuntimeError("the handler broke")
    elif text == "cut off":
        async for event in say(stream, "one two three"):
            yield event
        yield stream.emit_incomplete(reason="max_output_tokens")
        return
    elif text == "hang":
        async for event in begin(stream, "one two "):
            yield event
        await cancelled.wait()
        note({"cancelled": context.response_id})
        return
    elif text == "slow":
        async for event in say(stream, "one two three four five six seven eight", PACE):
            yield event
    elif text == "what did I say?":
        history = [line for item in await context.get_history() for line in texts_of([item])]
        async for event in say(stream, "|".join(history)):
            yield event
    elif text == "three words":
        usage = USAGE
        async for event in say(stream, "one two three"):
            yield event
    else:
        async for event in say(stream, f"You said: {text}"):
            yield event
    yield stream.emit_completed(usage=usage)


@app.invoke_handler
async def invoke(request: Request) -> Response:
    body = await request.body()
    if request.headers.get("content-type") == "text/event-stream":

        async def frames() -> AsyncIterator[bytes]:
            for word in words(body.decode()):
                yield f"data: {word}\n\n".encode()

        return StreamingResponse(frames(), media_type="text/event-stream")
    return JSONResponse(
        {"said": body.decode(), "session": request.state.session_id, "process": os.getpid()},
        status_code=202,
        headers={"x-agent-own": "yes"},
    )


@app.get_invocation_handler
async def look(request: Request) -> Response:
    return JSONResponse({"looked": request.state.invocation_id})


@app.cancel_invocation_handler
async def cancel(request: Request) -> Response:
    return JSONResponse({"cancelled": request.state.invocation_id})


if __name__ == "__main__":
    app.add_middleware(Recorder)
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
