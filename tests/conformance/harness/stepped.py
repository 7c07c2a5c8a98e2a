"""An asynchronous client used as if it were synchronous, so that one test says what is true of both kinds."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any


class Stepped:
    """Something asynchronous: what it would have awaited is awaited, what it would have iterated is iterated."""

    def __init__(self, runner: asyncio.Runner, inner: Any):
        self._runner = runner
        self._inner = inner

    def _step(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            return self._step(self._runner.run(_wait_for(value)))
        return Stepped(self._runner, value) if _is_asynchronous(value) else value

    def __getattr__(self, name: str) -> Any:
        return self._step(getattr(self._inner, name))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._step(self._inner(*arguments, **named))

    def __iter__(self) -> Iterator[Any]:
        steps = aiter(self._inner)
        while True:
            try:
                value = self._runner.run(_wait_for(anext(steps)))
            except StopAsyncIteration:
                return
            yield self._step(value)

    def __next__(self) -> Any:
        return next(iter(self))

    def __enter__(self) -> Any:
        return self._step(self._inner.__aenter__())

    def __exit__(self, *error: Any) -> Any:
        return self._step(self._inner.__aexit__(*error))


async def _wait_for(value: Any) -> Any:
    return await value


def _is_asynchronous(value: Any) -> bool:
    """Whether using it, or something it leads to, would need `await`; data needs none."""
    kind = type(value)
    return (
        inspect.isroutine(value)
        or any(hasattr(kind, name) for name in ("__aiter__", "__aenter__", "__anext__"))
        or kind.__name__.startswith("Async")
        or ".aio." in kind.__module__
    )
