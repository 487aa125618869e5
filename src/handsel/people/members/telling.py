"""Telling a member what they must hear of, whatever device they hold: by every verified contact."""

from uuid import UUID

from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Tx
from handsel.people.members.ports import Channel, sender_of


async def tell_contacts(tx: Tx, settings: Settings, member_id: UUID, text: str) -> int:
    """Send a text to each verified address and number of a member; to how many.

    Raises ``ProviderAbsent`` (503) where nothing can be sent.
    """
    row = await tx.fetchrow(
        "SELECT email, phone, people.verified_kinds(id) AS verified FROM people.members"
        " WHERE id = $1",
        member_id,
    )
    assert row is not None
    sender = sender_of(settings)
    ways: tuple[tuple[Channel, str], ...] = (("mail", "email"), ("sms", "phone"))
    told = 0
    for channel, kind in ways:
        if row[kind] is not None and kind in row["verified"]:
            await sender.send(tx, channel, row[kind], text)
            told += 1
    return told
