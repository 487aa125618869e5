"""The house rules hold for every module, and each of them can be broken."""

import pytest

from tests.architecture.rules import LONGEST_FILE, LONGEST_FUNCTION, RULES, Source, sources

SERVICE = "src/handsel/deals/orders/service.py"
MONEY = "src/handsel/money/escrow/fees.py"
BY_NAME = {rule.name: rule for rule in RULES}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_module_keeps_the_rule(name: str) -> None:
    rule = BY_NAME[name]

    found = [violation for source in sources() for violation in rule.violations(source)]

    assert found == []


PLANTED = [
    ("litestar", SERVICE, "from litestar import get"),
    ("litestar", SERVICE, "import litestar.di"),
    ("commits", SERVICE, "await conn.commit()"),
    ("commits", SERVICE, "await conn.execute('COMMIT')"),
    ("clock", SERVICE, "x = datetime.now(UTC)"),
    ("clock", SERVICE, "x = datetime.datetime.utcnow()"),
    ("clock", SERVICE, "x = time.time()"),
    ("sql-clock", SERVICE, "x = 'SELECT now()'"),
    ("sql-clock", SERVICE, "x = 'WHERE due_at <= clock_timestamp()'"),
    ("ledger-writes", SERVICE, "x = 'UPDATE money.accounts SET balance = 0'"),
    ("ledger-writes", SERVICE, "x = 'insert into money.transfers values (1)'"),
    ("floats", MONEY, "x = 0.08"),
    ("floats", MONEY, "x: float"),
    ("floats", MONEY, "x = a / b"),
    ("length", SERVICE, "x = 1\n" * (LONGEST_FILE + 1)),
    ("length", SERVICE, "def f():\n" + "    pass\n" * LONGEST_FUNCTION),
]


@pytest.mark.parametrize(("name", "module", "text"), PLANTED)
def test_a_planted_violation_is_found(name: str, module: str, text: str) -> None:
    assert BY_NAME[name].violations(Source(module, text))


ALLOWED = [
    ("litestar", "src/handsel/deals/orders/api.py", "from litestar import get"),
    ("commits", "src/handsel/foundation/db/uow.py", "await conn.execute('COMMIT')"),
    ("clock", "src/handsel/foundation/core/clock.py", "x = datetime.now(UTC)"),
    ("clock", SERVICE, "x = tx.now"),
    ("sql-clock", SERVICE, "x = 'SELECT foundation.handsel_now()'"),
    ("sql-clock", SERVICE, "x = 'SELECT now()'  # house: sql-clock - a lease"),
    ("ledger-writes", SERVICE, "x = 'SELECT * FROM money.accounts'"),
    ("floats", MONEY, "x = a // b"),
    ("length", SERVICE, "def f():\n" + "    pass\n" * (LONGEST_FUNCTION - 1)),
]


@pytest.mark.parametrize(("name", "module", "text"), ALLOWED)
def test_what_the_rule_allows_passes(name: str, module: str, text: str) -> None:
    assert BY_NAME[name].violations(Source(module, text)) == []
