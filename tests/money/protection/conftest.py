"""Each test begins with an empty fund and no open claim: both decide about credits."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.journeys.story import Story
from tests.money.protection.victims import drained


@pytest.fixture(autouse=True)
async def _fresh(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    if "story" not in request.fixturenames:
        yield
        return
    story: Story = request.getfixturevalue("story")
    await drained(story)
    yield
    await story.pass_time(timedelta(days=10))
    await story.pass_time(timedelta(days=35))
    await story.check()
