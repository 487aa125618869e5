"""Why money was not moved. Whenever one of these is raised, nothing has moved."""

from handsel.foundation.core.errors import Conflict, Invalid, InvalidAmount
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


class UnknownTransferCode(Invalid):
    """The ledger has no such reason for a transfer"""

    code = "unknown_transfer_code"
    stored = True


class HoldNeeded(Conflict):
    """Money of an order moves by its hold"""

    code = "hold_needed"


class WrongLeg(Conflict):
    """A part of a hold goes to its payer, to the order's pending account, or to the house"""

    code = "wrong_leg"


class RefundExceedsRemainder(Conflict):
    """A part must be less than what is still held"""

    code = "refund_exceeds_remainder"


class PaymentDisputed(Conflict):
    """The payer's bank has taken this payment back; it waits until that is decided"""

    code = "payment_disputed"


class NothingPending(Conflict):
    """This is not what is waiting to be settled"""

    code = "nothing_pending"


class SaleUndoneAlready(Conflict):
    """What waited of this sale has gone back already"""

    code = "sale_undone_already"


class NotWithdrawable(Conflict):
    """Money that came by card can be spent or go back to its card, not be withdrawn"""

    code = "not_withdrawable"


class ExceedsCardMoney(Conflict):
    """This is more than what is left of what came by card"""

    code = "exceeds_card_money"


class NothingOwed(Conflict):
    """This is more than what is owed"""

    code = "nothing_owed"


class AccountNotEmpty(Conflict):
    """An account is closed when it is empty"""

    code = "account_not_empty"


class PeriodClosed(Conflict):
    """The books of this day are closed"""

    code = "period_closed"


class PeriodNotOver(Conflict):
    """A month is closed when it is over"""

    code = "period_not_over"


class PeriodAlreadyClosed(Conflict):
    """This month is closed already"""

    code = "period_already_closed"


class PeriodBeforeOpen(Conflict):
    """The month before must be closed first"""

    code = "period_before_open"


class LedgerNotSealed(Conflict):
    """Not every transfer of the month is sealed yet; try again in a moment"""

    code = "ledger_not_sealed"


class BooksUnbalanced(Conflict):
    """The trial balance does not sum to zero"""

    code = "books_unbalanced"


on_constraint("accounts_not_overdrawn", InsufficientFunds)
on_constraint("accounts_unit_fkey", UnknownUnit)
on_constraint("transfers_amount", InvalidAmount)
on_constraint("holds_amount_check", InvalidAmount)
on_constraint("transfers_two_accounts", SameAccount)
on_constraint("transfers_reversed_once", AlreadyReversed)
on_constraint("holds_sum", HoldSumMismatch)
on_constraint("accounts_restricted_is_there", NotWithdrawable)
on_constraint("accounts_restricted_not_negative", ExceedsCardMoney)
on_constraint("accounts_not_overpaid", NothingOwed)
