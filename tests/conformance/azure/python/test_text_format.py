"""`text.format` with a JSON schema: answers that follow it, one repair, and a named failure."""

import pytest
from openai import APIStatusError, InternalServerError
from pydantic import BaseModel


class Weather(BaseModel):
    city: str
    degrees: int


def test_an_answer_is_parsed_into_the_callers_type(talk):
    assert talk.responses.parse(input="json", text_format=Weather).output_parsed == Weather(city="Paris", degrees=21)


def test_an_answer_that_does_not_follow_the_schema_is_repaired_once(talk):
    said = talk.responses.parse(input="json the second time", text_format=Weather)
    assert said.output_parsed == Weather(city="Paris", degrees=21)


def test_an_answer_that_cannot_be_repaired_fails_by_name(talk):
    with pytest.raises(InternalServerError) as failure:
        talk.responses.parse(input="never of the form", text_format=Weather)
    assert failure.value.code == "invalid_structured_output"


def test_the_helper_parses_as_well(talk):
    with talk.responses.stream(model="scripted", input="json", text_format=Weather) as events:
        assert events.get_final_response().output_parsed == Weather(city="Paris", degrees=21)


def test_a_refusal_needs_no_schema(talk):
    said = talk.responses.parse(input="refuse", text_format=Weather)
    assert (said.output_parsed, said.output[0].content[0].refusal) == (None, "I will not do that.")


def test_a_schema_that_is_none_is_refused(talk):
    form = {"type": "json_schema", "name": "broken", "schema": {"type": "no such type"}}
    with pytest.raises(APIStatusError) as refusal:
        talk.responses.create(input="json", text={"format": form})
    assert refusal.value.status_code == 400
