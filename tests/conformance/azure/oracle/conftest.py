"""The vendor's runtime and Sederunt side by side, with the same agent."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from agreed import Agreed
from compare import differences
from container import Container
from sederunt import SCHEME, Server
from sides import Side

HERE = Path(__file__).parent
AGENT = "server-default-agent"
"""What the runtime calls its agent."""

CONFIG = """
model_rules = [{{ agent = "*", use = "container" }}]

[models.container]
provider = "responses"
container = true
base_url = "{url}"
"""

HOSTED = {
    "kind": "hosted",
    "cpu": "0.5",
    "memory": "1Gi",
    "image": "oracle",
    "container_protocol_versions": [{"protocol": "responses", "version": "2.0.0"}],
}


@pytest.fixture(scope="session")
def runtime() -> Iterator[Side]:
    """The vendor's runtime, which has no users."""
    with Container() as running:
        yield Side("the vendor's runtime", running.url)


@pytest.fixture(scope="session", params=["script", "container"])
def ours(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Sederunt, whose agent is answered for by the script, and then by a container of the same runtime behind it."""
    with ExitStack() as stack:
        if request.param == "script":
            server = stack.enter_context(Server("--script", str(HERE / "script.toml")))
        else:
            container = stack.enter_context(Container())
            config = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "config.toml"
            config.write_text(CONFIG.format(url=container.url))
            server = stack.enter_context(Server(environment={"SEDERUNT_CONFIG": str(config)}))
        project = Side(
            "Sederunt",
            f"{server.url}/api/projects/default",
            query={"api-version": "v1"},
            headers={"authorization": f"Bearer {server.token('alice')}"},
            authority=server.ready["ca"] if SCHEME == "https" else None,
        )
        made = project.request("POST", f"/agents/{AGENT}/versions", {"definition": HOSTED})
        assert made.status == 200, made.body
        yield project.below(f"/agents/{AGENT}/endpoint/protocols/openai")


@pytest.fixture(scope="session")
def agreed() -> Iterator[Agreed]:
    """The differences that are meant. One that no case shows is wrong, but only a whole run can tell."""
    yield Agreed.read()


@pytest.fixture
def compare(
    request: pytest.FixtureRequest, runtime: Side, ours: Side, agreed: Agreed
) -> Callable[[Callable[[Side], None]], None]:
    """Runs a case against both and fails on each difference that is not agreed upon."""

    def run(case: Callable[[Side], None]) -> None:
        runs = [side.fresh() for side in (runtime, ours)]
        for side in runs:
            case(side)
        name = case_of(request.node)
        found = [str(each) for each in differences(*(side.seen for side in runs)) if not agreed.allows(name, each)]
        if found:
            pytest.fail(f"{name} differs:\n" + "\n".join(dict.fromkeys(found)), pytrace=False)

    return run


def case_of(test: pytest.Function) -> str:
    """The test's name and variant, whoever answers for the agent."""
    name = test.originalname.removeprefix("test_")
    who = test.callspec.params["ours"]
    variant = test.callspec.id.removeprefix(who).removesuffix(who).strip("-")
    return f"{name}: {variant}" if variant else name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is said of all cases comes last."""
    items.sort(key=lambda item: item.name == "test_every_agreed_difference_is_there")
