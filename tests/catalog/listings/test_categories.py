"""Categories are data: what is wrong in a pack stops the start."""

import httpx
import pytest

from handsel.catalog.listings import categories

GOOD = """
pack = "p"
version = 1
names = { en = "P", de = "P", zh = "P" }
[[category]]
slug = "some-thing"
names = { en = "a", de = "b", zh = "c" }
kind = "thing"
risk = "low"
rule = "allowed"
processes = ["service"]
units = ["per_day", "quote"]
fulfilment = ["at_mine"]
service_radius_m = 5000
inspection_period = "P2D"
cancellation = { free_until = "PT24H", late_share_bps = 5000 }
largest_amount = { EUR = 100 }
questions = []
synonyms = {}
"""


def test_the_shipped_packs_load() -> None:
    packs = {pack.pack: pack for pack in categories.load()}

    assert set(packs) == {"tutoring", "tool_lending", "stays"}
    stay = categories.find("short-stay")
    assert stay is not None
    assert stay.sample_only
    assert categories.pack_of("chainsaws") == "tool_lending"
    assert categories.find("nothing-such") is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("EUR = 100", "EURO = 100", "unknown currency"),
        ("EUR = 100", "EUR = 0", ">= 1"),
        ('"P2D"', '"2 days"', "inspection_period"),
        ('"PT24H"', '"P"', "free_until"),
        (', zh = "c" }', " }", "lacks a language"),
        ('["per_day", "quote"]', '["per_day"]', "units"),
        ('["per_day", "quote"]', '["per_week", "quote"]', "Invalid enum"),
        ('processes = ["service"]', "processes = []", "no process"),
        ('slug = "some-thing"', 'slug = "Some Thing"', "slug"),
        ('risk = "low"', 'risk = "low"\nriks = 1', "unknown field"),
        ("version = 1", "version = ", "Invalid"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert categories.parse(GOOD, "good.toml").category[0].slug == "some-thing"

    with pytest.raises(categories.InvalidPack, match=says) as refused:
        categories.parse(GOOD.replace(old, new), "bad.toml")

    assert str(refused.value).startswith("bad.toml: ")


async def test_everybody_may_read_them(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/categories")

    assert answer.status_code == 200
    body = answer.json()
    assert body["versions"] == {"stays": 2, "tool_lending": 2, "tutoring": 1}
    by_slug = {item["slug"]: item for item in body["items"]}
    assert by_slug["weapons"]["rule"] == "forbidden"
    tutoring = by_slug["school-tutoring"]
    assert tutoring["pack"] == "tutoring"
    assert tutoring["inspection_period"] == "P2D"
    assert tutoring["cancellation"] == {"free_until": "PT24H", "late_share_bps": 5000}
    assert {"amount_minor": 30000, "currency": "EUR"} in tutoring["largest_amount"]
    assert tutoring["names"]["zh"] == "家教"
