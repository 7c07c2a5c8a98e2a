"""What can be done to a response while it runs and after: replay, cancel, delete."""

import pytest
from sides import NO_RESPONSE


@pytest.mark.parametrize("after", [0, 3, 5, 9, 100])
def test_replay(compare, after: int):
    @compare
    def _(side):
        made = side.create("three words", background=True, stream=True, note=False)
        side.get(made.id, stream="true", starting_after=after)


def test_replay_follows(compare):
    @compare
    def _(side):
        running = side.began("slow", "one two ")
        side.get(running, stream="true", starting_after=3)


def test_running(compare):
    @compare
    def _(side):
        running = side.began("hang", "one two ")
        side.get(running)
        side.delete(running)
        side.items(running)
        side.cancel(running)


def test_running_in_the_foreground(compare):
    @compare
    def _(side):
        def look(running: str) -> None:
            side.get(running)
            side.cancel(running)
            side.items(running)

        side.began("hang", "one two ", background=False, meanwhile=look)


def test_cancelled(compare):
    @compare
    def _(side):
        running = side.began("hang", "one two ")
        side.cancel(running)
        side.cancel(running)
        side.get(running)
        side.get(running, stream="true")
        side.items(running)
        side.delete(running)
        side.get(running)


def test_cancelled_stream(compare):
    @compare
    def _(side):
        running = side.began("hang", "one two ", meanwhile=side.cancel, to_the_end=True)
        side.get(running)


def test_cancelled_background(compare):
    @compare
    def _(side):
        made = side.create("hang", background=True)
        side.cancel(made.id)
        side.get(made.id)


def test_cancel_foreground(compare):
    @compare
    def _(side):
        side.cancel(side.create("three words", note=False).id)


@pytest.mark.parametrize("said", ["three words", "break after two words", "cut off"])
def test_cancel_ended(compare, said: str):
    @compare
    def _(side):
        made = side.create(said, background=True, note=False)
        side.ended(made.id, note=False)
        side.cancel(made.id)


def test_streams_that_are_not(compare):
    @compare
    def _(side):
        side.get(side.create("three words", note=False).id, stream="true")
        made = side.create("three words", background=True, note=False)
        side.ended(made.id, note=False)
        side.get(made.id, stream="true")


def test_starting_after(compare):
    @compare
    def _(side):
        made = side.create("three words", background=True, stream=True, note=False)
        side.get(made.id, stream="true", starting_after="x")
        side.get(made.id, starting_after="3")


def test_deleted(compare):
    @compare
    def _(side):
        gone = side.create("three words", note=False).id
        side.delete(gone)
        side.delete(gone)
        side.get(gone)
        side.cancel(gone)
        side.items(gone)


def test_unstored(compare):
    @compare
    def _(side):
        made = side.create("three words", store=False)
        side.get(made.id)
        side.items(made.id)
        side.cancel(made.id)
        side.delete(made.id)
        side.create("three words", store=False, stream=True)


@pytest.mark.parametrize("unknown", [NO_RESPONSE, "nonsense", "resp_" + "a" * 48])
def test_unknown(compare, unknown: str):
    @compare
    def _(side):
        side.get(unknown)
        side.cancel(unknown)
        side.delete(unknown)
        side.items(unknown)
