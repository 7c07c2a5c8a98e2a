"""Errors as the SDKs meet them: classes, codes, messages, request ids; and what becomes of a model's failure."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure_wire import raw, refused
from openai import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
)
from project import client, openai


def test_a_request_id_is_echoed_and_ours_is_in_the_error(server):
    answer = raw(
        server, "GET", "/agents/nobody", headers={"x-ms-client-request-id": "11111111-2222-3333-4444-555555555555"}
    )
    error = refused(answer, 404, "not_found")
    assert answer.headers["x-ms-client-request-id"] == "11111111-2222-3333-4444-555555555555"
    request_id = answer.headers["x-request-id"]
    assert len(request_id) == 32 and set(request_id) <= set("0123456789abcdef")
    assert (error["type"], error["details"]) == ("invalid_request_error", [])


def test_an_unknown_token_is_401_without_a_challenge_to_repeat(server, runner):
    with client(server, "not-a-token", runner=runner) as stranger:
        with pytest.raises(ClientAuthenticationError) as refusal:
            stranger.agents.get("echo")
        assert (refusal.value.status_code, refusal.value.error.code) == (401, "unauthorized")
        assert refusal.value.response.headers["www-authenticate"] == "Bearer"
        with pytest.raises(AuthenticationError) as refusal:
            openai(stranger, "echo").responses.create(input="x")
        assert refusal.value.code == "unauthorized"


def test_no_credential_at_all_is_401(server):
    for path in ("/agents", "/agents/echo/endpoint/sessions", "/openai/v1/responses"):
        refused(raw(server, "GET", path, token=None), 401, "unauthorized")


def test_the_management_client_maps_by_status(agents, agent):
    with pytest.raises(ResourceNotFoundError) as missing:
        agents.get("nobody")
    assert missing.value.error.code == "not_found"
    with pytest.raises(HttpResponseError) as malformed:
        agents.create_session(agent, {"agent_session_id": "x"})
    error = malformed.value.model.error
    assert (error.code, error.param, error.type) == (
        "invalid_request_error",
        "agent_session_id",
        "invalid_request_error",
    )
    assert error.additional_info["request_id"] == malformed.value.response.headers["x-request-id"]


def test_the_responses_client_maps_by_status(talk):
    with pytest.raises(NotFoundError) as missing:
        talk.responses.retrieve("caresp_" + "0" * 16 + "00" + "A" * 32)
    assert missing.value.request_id == missing.value.response.headers["x-request-id"]
    with pytest.raises(BadRequestError) as malformed:
        talk.responses.retrieve("x")
    assert (malformed.value.code, malformed.value.type) == ("invalid_parameters", "invalid_request_error")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("failed", 500, "server_error"),
        ("iterations", 500, "iteration_limit_exceeded"),
        ("retries_used_up", 500, "model_retries_exhausted"),
        ("deadline_passed", 500, "deadline_exceeded"),
        ("unavailable", 503, "model_unavailable"),
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("context_too_large", 400, "token_limit_exceeded"),
        ("refused", 400, "model_refused"),
    ],
)
def test_a_models_faults_are_told_apart(talk, fault, status, code):
    with pytest.raises(APIStatusError) as failure:
        talk.responses.create(input=f"fault {fault}")
    assert (failure.value.status_code, failure.value.code) == (status, code)
    assert failure.value.body["details"][0]["message"] == "told to the caller"
    assert "told to the log" not in failure.value.response.text


def test_a_model_that_refuses_for_now_says_how_long_to_wait(talk):
    with pytest.raises(RateLimitError) as failure:
        talk.responses.create(input="fault rate_limited")
    assert int(failure.value.response.headers["retry-after"]) >= 1


def test_an_answer_that_breaks_off_is_told_apart(talk):
    with pytest.raises(InternalServerError) as failure:
        talk.responses.create(input="break")
    assert failure.value.code == "model_stream_broken"


def test_an_unknown_path_is_404_and_a_wrong_method_405(server, agent):
    refused(raw(server, "GET", "/nothing"), 404, "not_found")
    refused(raw(server, "PUT", f"/agents/{agent}", {}), 405, "method_not_allowed")


def test_invocations_need_a_container(server, agent):
    path = f"/agents/{agent}/endpoint/protocols/invocations"
    refused(raw(server, "POST", path, {"anything": 1}), 501, "not_implemented")
