"""Sealing the ledger, and the anchor that is kept elsewhere."""

from handsel import __version__
from handsel.foundation import audit
from handsel.foundation.db.pool import Connection
from handsel.money.ledger.chain import Anchor

#: What one call seals at most: 20 blocks of up to 1,000 transfers.
_BLOCKS = 20
_AUDIT_BATCH = 1000

_ANCHOR = """
SELECT a.seq AS audit_seq, encode(a.hash, 'hex') AS audit_hash, l.block AS ledger_block,
       encode(l.hash, 'hex') AS ledger_hash, foundation.handsel_now() AS at,
       (SELECT coalesce(sum(s.transfers), 0)::bigint FROM money.ledger_seals s) AS transfers
  FROM foundation.audit_head a, money.ledger_head l
"""


async def seal(conn: Connection) -> int:
    """Seal transfers that have settled: those below a number that an earlier call marked, since a
    smaller number may still be on its way. Returns how many full blocks, so whether to go on."""
    blocks: int = await conn.fetchval("SELECT money.seal_ledger($1)", _BLOCKS)
    return blocks


async def seal_all(conn: Connection) -> None:
    """Seal both chains as far as they go now; what is being written at this moment is left out."""
    await seal(conn)  # marks
    while await seal(conn):
        pass
    while await audit.seal(conn, _AUDIT_BATCH) == _AUDIT_BATCH:
        pass


async def anchor(conn: Connection) -> Anchor:
    """Both heads at one moment."""
    row = await conn.fetchrow(_ANCHOR)
    assert row is not None, "the heads are made by the migration"
    return Anchor(version=__version__, **row)
