"""Why money was not moved. Whenever one of these is raised, nothing has moved."""

from handsel.foundation.core.errors import Conflict, Invalid
from handsel.foundation.db.errors import on_constraint


class InsufficientFunds(Conflict):
    """There is not enough money in the wallet"""

    code = "insufficient_funds"


class AccountNotOpen(Conflict):
    """This account takes no transfers"""

    code = "account_not_open"


class UnknownAccount(Conflict):
    """There is no such account"""

    code = "unknown_account"


class UnitMismatch(Invalid):
    """The account is kept in another currency"""

    code = "unit_mismatch"
    stored = True


class UnknownUnit(Invalid):
    """This currency is not kept here"""

    code = "unit_not_kept"
    stored = True


class InvalidAmount(Invalid):
    """An amount must be above zero and at most 10^15 minor units"""

    code = "invalid_amount"
    stored = True


class SameAccount(Invalid):
    """A transfer needs two different accounts"""

    code = "same_account"
    stored = True


class UnknownHold(Conflict):
    """There is no such hold"""

    code = "unknown_hold"


class HoldResolved(Conflict):
    """This hold has already been resolved"""

    code = "hold_resolved"


class HoldSumMismatch(Conflict):
    """The parts do not add up to the hold"""

    code = "hold_sum_mismatch"


class UnknownTransfer(Conflict):
    """There is no such transfer"""

    code = "unknown_transfer"


class TransferOfHold(Conflict):
    """The transfers of a hold are not reversed: a hold is resolved"""

    code = "transfer_of_hold"


class AlreadyReversed(Conflict):
    """This transfer has already been reversed"""

    code = "already_reversed"


on_constraint("accounts_not_overdrawn", InsufficientFunds)
on_constraint("accounts_unit_fkey", UnknownUnit)
on_constraint("transfers_amount", InvalidAmount)
on_constraint("holds_amount_check", InvalidAmount)
on_constraint("transfers_two_accounts", SameAccount)
on_constraint("transfers_reversed_once", AlreadyReversed)
on_constraint("holds_sum", HoldSumMismatch)
