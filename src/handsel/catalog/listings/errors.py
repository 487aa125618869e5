"""What can be wrong with a listing."""

from handsel.foundation.core.errors import Conflict, Invalid
from handsel.foundation.db.errors import on_constraint


class UnknownCategory(Invalid):
    """There is no such category"""

    code = "unknown_category"


class UnknownCurrency(Invalid):
    """This is no currency in use"""

    code = "unknown_currency"


class PriceNotPositive(Invalid):
    """A price is more than nothing; leave it out to make a quote"""

    code = "price_not_positive"


class TitleLength(Invalid):
    """A title has 3 to 120 characters"""

    code = "title_length"


class UnitNotOffered(Invalid):
    """The category does not know this unit, or it does not fit the price"""

    code = "unit_not_offered"


class FulfilmentNotOffered(Invalid):
    """The category is not fulfilled in this way, or it does not fit the place"""

    code = "fulfilment_not_offered"


class UnknownTimeZone(Invalid):
    """There is no such time zone"""

    code = "unknown_time_zone"


class PublishRefused(Conflict):
    """This listing may not be public; ``reasons`` says why"""

    code = "publish_refused"


class ListingWrongState(Conflict):
    """The listing cannot do this from its present state; ``allowed`` says what it can"""

    code = "listing_wrong_state"


class StorefrontHandleTaken(Conflict):
    """Another storefront has this handle"""

    code = "storefront_handle_taken"


on_constraint("storefronts_handle_key", StorefrontHandleTaken)
