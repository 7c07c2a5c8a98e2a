"""Instructions: texts with versions, and what becomes of them in a turn."""

import pytest
from vectara import NotFoundError
from vectara.core.api_error import ApiError
from vectara.types.create_instruction_request import CreateInstructionRequest_Initial
from vectara.types.update_instruction_request import UpdateInstructionRequest_Initial
from vectara_clients import ONCE, Talk


@pytest.fixture
def new(alice, new_key):
    """Makes an instruction."""

    def make(template: str = "Be brief.", **more):
        request = CreateInstructionRequest_Initial(name=more.pop("name", new_key("i")), template=template, **more)
        return alice.instructions.create(request=request)

    return make


def test_an_instruction_is_made_and_read(alice, new):
    made = new("Be brief, ü 🐝.", description="d", template_type="text", metadata={"a": [1]})
    assert made.id.startswith("ins_") and (made.type, made.version, made.enabled) == ("initial", 1, True)
    assert (made.template, made.template_type, made.metadata) == ("Be brief, ü 🐝.", "text", {"a": [1]})
    assert alice.instructions.get(made.id) == made


def test_every_change_is_a_version(alice, new):
    made = new("one")
    changed = alice.instructions.update(made.id, request=UpdateInstructionRequest_Initial(template="two"))
    assert (changed.version, changed.template, changed.name) == (2, "two", made.name)
    assert alice.instructions.get(made.id, version=1).template == "one"
    assert alice.instructions.get(made.id) == changed
    alice.instructions.delete_version(made.id, 1)
    with pytest.raises(NotFoundError):
        alice.instructions.get(made.id, version=1)
    alice.instructions.delete(made.id)
    with pytest.raises(NotFoundError):
        alice.instructions.get(made.id)


def test_instructions_are_listed_with_filters(alice, new, new_key):
    mark = new_key("mark")
    ids = {new(description=mark).id for _ in range(3)} | {new(description=mark, enabled=False).id}
    pager = alice.instructions.list(filter=mark, limit=2)
    assert pager.response.metadata.total_count == 4
    assert {made.id for made in pager} == ids
    assert len(list(alice.instructions.list(filter=mark, enabled=True, type="initial"))) == 3


def test_a_name_is_taken_once(alice, new):
    made = new()
    with pytest.raises(ApiError) as caught:
        request = CreateInstructionRequest_Initial(name=made.name, template="Another.")
        alice.instructions.create(request=request, request_options=ONCE)
    assert (caught.value.status_code, caught.value.body["code"]) == (409, "conflict")


def test_a_template_is_rendered_by_its_test(alice, new):
    template = "#if($session.metadata.vip)Dear $session.metadata.name#{else}Hello#end, $unknown"
    made = new(template, template_type="velocity")

    def test(**context: str | bool) -> str:
        return alice.instructions.test(made.id, context=context).rendered_instruction

    assert test(vip=True, name="Ada") == "Dear Ada, $unknown"
    assert test(vip=False) == "Hello, $unknown"
    verbatim = new("Dear $session.metadata.name", template_type="text")
    assert alice.instructions.test(verbatim.id, context={"name": "Ada"}).rendered_instruction == verbatim.template


def test_a_template_that_cannot_be_rendered_is_refused(alice, new):
    with pytest.raises(ApiError) as caught:
        made = new("#if($a) never ended", template_type="velocity")
        alice.instructions.test(made.id, context={}, request_options=ONCE)
    assert caught.value.status_code in {400, 422}


def test_an_agent_may_refer_to_an_instruction(alice, new, new_agent):
    made = new("Be brief.")
    reference = {"type": "reference", "id": made.id}
    step = {"name": "first_step", "instructions": [reference], "output_parser": {"type": "default"}}
    agent = new_agent(first_step=step)
    assert alice.agents.get(agent).first_step.instructions[0].id == made.id
    talk = Talk(alice, agent, alice.agent_sessions.create(agent).key)
    assert talk.answer("three words") == "one two three"
