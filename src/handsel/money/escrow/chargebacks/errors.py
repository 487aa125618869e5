"""Why a word about a chargeback was not taken. Nothing has changed then."""

from handsel.foundation.core.errors import Conflict
from handsel.foundation.db.errors import on_constraint


class ChargebackDecided(Conflict):
    """This chargeback has been decided"""

    code = "chargeback_decided"


class EvidenceTooLate(Conflict):
    """The time for evidence is over"""

    code = "evidence_too_late"


class EvidenceSent(Conflict):
    """The evidence has gone to the bank; it takes it once"""

    code = "evidence_sent"


class EvidenceExists(Conflict):
    """You have given your evidence"""

    code = "evidence_exists"


class NotYoursAlone(Conflict):
    """Other sellers are concerned too: nobody accepts a chargeback for them"""

    code = "not_yours_alone"


on_constraint("chargeback_evidence_once", EvidenceExists)
