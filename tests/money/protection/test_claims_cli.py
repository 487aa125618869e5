"""`handsel claims …`, each a process of its own."""

import json
from pathlib import Path

from tests.front.house import handsel
from tests.journeys.story import Story
from tests.money.protection.victims import amounts, fill, read, robbed, staff_handle
from tests.money.protection.victims import file as file_claim


async def test_staff_list_show_and_decide(story: Story, database_url: str, tmp_path: Path) -> None:
    victim, taken = await robbed(story, 30_000)
    await fill(story, 100_000)
    claim = (await file_claim(story, victim, 30_000, taken))["id"]
    first, second = await staff_handle(story), await staff_handle(story)

    def run(*arguments: str) -> tuple[int, str, str]:
        done = handsel(tmp_path, "claims", *arguments, HANDSEL_DATABASE_URL=database_url)
        return done.returncode, done.stdout, done.stderr

    listed = json.loads(run("list", "--json")[1])
    shown = json.loads(run("show", claim)[1])
    decide = ("decide", claim, "upheld", "--award", "30000", "--reason", "not_authorised")
    stranger = run(*decide, "--as", victim.handle)
    unknown = run(*decide[:-1], "because", "--as", first)
    proposed = run(*decide, "--as", first)
    alone = run(*decide, "--as", first)
    agreed = run(*decide, "--as", second)
    late = run("extend", claim, "--as", first, "--note", "more")

    assert [c["id"] for c in listed] == [claim]
    assert shown == await read(victim, claim) | {
        name: shown[name] for name in ("state", "paid", "decided_at", "decided_by", "reasons",
                                       "promise", "timeline")
    }  # fmt: skip
    assert (stranger[0], stranger[2]) == (2, f"handsel: {victim.handle} is no member of staff.\n")
    assert unknown[0] == 2
    assert (proposed[0], proposed[2]) == (0, "Now a second member of staff has to say the same.\n")
    assert (alone[0], "second_staff_needed" in alone[2]) == (2, True)
    assert (agreed[0], agreed[2]) == (0, f"{claim} is upheld.\n")
    assert (late[0], "claim_closed" in late[2]) == (2, True)
    assert amounts(await read(victim, claim)) == (24_000, 30_000, 0)
