"""The table of differences says no more than what there is."""

import pytest
from agreed import Agreed


def test_every_agreed_difference_is_there(request: pytest.FixtureRequest, agreed: Agreed):
    if request.config.option.keyword or any("::" in argument for argument in request.config.args):
        pytest.skip("not all cases ran")
    assert agreed.unused() == []
