"""What one round trip brings back after each command: violations, counters, and the new transfers.

The functions below belong to the test and are made in the test's own database, by its owner. They
run the very texts of ``front/invariants``; in PL/pgSQL each keeps its plan.
"""

from pathlib import Path

import asyncpg

from handsel.front.invariants import CHECKS, Check

#: Besides every table of the schema ``money``.
_ALSO = ("foundation.audit_entries", "foundation.audit_unsealed", "foundation.outbox")

#: A hold is marked as disputed here without the chargeback behind it, which has tests of its own.
HELD_HERE = tuple(check for check in CHECKS if not check.name.startswith("L25"))
#: They read every sealed transfer, every closed month again: with the rows, not after each step.
_SELDOM = ("L22", "L23")
_SCHEMA = Path(__file__).with_name("counters.sql").read_text()

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'money' AND c.relkind = 'r'
 UNION SELECT unnest($1::text[]) ORDER BY 1
"""


def _count(table: str) -> str:
    """Rows, a digest of all they say, and the newest transaction that wrote one that is left."""
    return (
        f"counters := counters || (SELECT format('{table} %s %s %s', count(*),"
        " bit_xor(hash_record_extended(t, 0)), max(t.xmin::text::bigint))"
        f" FROM {table} AS t);"
    )


def _find(check: Check) -> str:
    return (
        f"violations := violations || ARRAY(SELECT '{check.name} ' || v.what FROM"
        f" ({check.violations}) AS v LIMIT 3);"
    )


def _looks(checks: list[Check], tables: list[str]) -> str:
    finds = "\n    ".join(_find(check) for check in checks)
    counts = "\n    ".join(_count(table) for table in tables)
    return f"""
CREATE FUNCTION proof.look(p_after bigint, OUT violations text[], OUT counters text[],
    OUT sums bigint[], OUT lines proof.lines[])
LANGUAGE plpgsql AS $look$
BEGIN
    violations := '{{}}';
    counters := '{{}}';
    {finds}
    {counts}
    sums := proof.sums();
    lines := ARRAY(SELECT l FROM proof.lines l WHERE l.seq > p_after ORDER BY l.seq);
END $look$;
"""


async def install(owner: asyncpg.Connection) -> None:
    """Make the functions, with the checks of the money alone: the others come with the rows."""
    tables = [row[0] for row in await owner.fetch(_TABLES, list(_ALSO))]
    mine = [check for check in HELD_HERE if _is_money(check) and set(check.tables) <= set(tables)]
    await owner.execute(_SCHEMA)
    await owner.execute(_looks(mine, tables))
    await owner.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA proof TO handsel_app")


def _is_money(check: Check) -> bool:
    tables = all(table.startswith("money.") for table in check.tables)
    return tables and not check.name.startswith(_SELDOM)
