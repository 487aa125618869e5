"""The policy file: refused when wrong, read again when changed, never lost."""

import os
from pathlib import Path

import pytest

from handsel.foundation.db.uow import Tx
from handsel.people import trust
from handsel.people.trust.table import PolicyFile, PolicyInvalid, Tier, parse

TEXT = Path(trust.__file__).with_name("tiers.toml").read_text()


def test_version_names_the_text() -> None:
    first, second = parse(TEXT.encode()), parse((TEXT + "# a remark\n").encode())

    assert first.version.startswith("2026-11-24+")
    assert first.version != second.version
    assert first.payments(Tier.T1).per_order_minor == 6_000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("matured_labels = 1_000", "matured_labels = 999", "matured_labels"),
        ("matured_labels = 1_000", "matured_labels = 5_001", "matured_labels"),
        ("EUR = 1\n", "EUR = 1.1\n", "reference currency"),
        ("GBP = 1.15", "GBP = 0", "rate of GBP"),
        ("GBP = 1.15", "GBP = nan", "rate of GBP"),
        ("per_order_minor = 6_000", "per_order_minor = 16_000", "per_order <= per_24h"),
        ("per_order_minor = 50_000", "per_order_minor = 5_000", "T2.per_order_minor is below"),
        (
            "owe_up_to_minor = 300_000\ndeposit_free = true",
            "owe_up_to_minor = 300_000",
            "T5 leaves a deposit where T4 need not",
        ),
        ('hold_period = "P7D"', 'hold_period = "P15D"', "T2.hold_period is longer"),
        ("social_floor = 650", "social_floor = 590", "T5.social_floor is below"),
        ('title = "Visitor" ', 'bond_bps = 5\ntitle = "Visitor" ', "bond_bps"),
        ('verified = [["address"]]', 'verified = [["passport"]]', "passport"),
        ("[tiers.T5]", "[tiers.T6]", "T"),
        ("count = 3", "count = ", "Invalid value"),
        ("count = 3", "count = -1", "count"),
    ],
)
def test_wrong_policy_is_refused_in_one_sentence(old: str, new: str, said: str) -> None:
    assert old in TEXT

    with pytest.raises(PolicyInvalid, match="The trust policy is wrong") as refused:
        parse(TEXT.replace(old, new).encode())

    assert said in str(refused.value)


def test_start_without_a_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        PolicyFile(tmp_path / "tiers.toml")


def test_changed_file_is_read_again_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tiers.toml"
    path.write_text(TEXT)
    file = PolicyFile(path)
    before = file.current()
    assert file.current() is before

    path.write_text(TEXT.replace("per_24h_minor = 15_000", "per_24h_minor = 14_000"))
    os.utime(path, ns=(1, 1))
    changed = file.current()
    path.write_text("nonsense")
    kept = file.current()
    path.unlink()

    assert changed.payments(Tier.T1).per_24h_minor == 14_000
    assert kept is changed
    assert file.current() is changed


def test_conversion_is_rounded_against_the_payer_and_back_within_the_limit() -> None:
    table = parse(TEXT.encode())

    assert table.in_reference(1, "HUF") == 1
    assert table.in_reference(100, "GBP") == 115
    assert table.in_reference(1, "XAU") is None
    for currency in table.rates:
        for limit in (1, 6_000, 15_001, 8_000_000):
            most = table.in_currency(limit, currency)
            assert (table.in_reference(most, currency) or 0) <= limit
            assert (table.in_reference(most + 1, currency) or 0) > limit


async def test_every_unit_of_the_ledger_has_a_rate(tx: Tx) -> None:
    rows = await tx.fetch("SELECT code FROM money.units WHERE kind = 'currency'")
    units = {row["code"] for row in rows}

    assert units - set(parse(TEXT.encode()).rates) == set()
