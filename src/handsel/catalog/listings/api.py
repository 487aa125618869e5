"""Routes of categories, storefronts and listings."""

from typing import Annotated, Any

from litestar import Controller, Response, get, patch, post
from litestar.params import QueryParameter

from handsel.catalog.listings import categories, service, storefronts, views
from handsel.catalog.listings.schemas import (
    CategoryList,
    ListingCreate,
    ListingPatch,
    ListingView,
    OwnListingPage,
    OwnListingView,
    StorefrontView,
)
from handsel.catalog.listings.states import Transition
from handsel.foundation.core.ids import decode
from handsel.foundation.core.settings import Settings
from handsel.foundation.db.uow import Database, Tx
from handsel.foundation.http.principal import Principal
from handsel.foundation.http.problems import documented
from handsel.foundation.http.work import (
    Answer,
    IfMatch,
    Work,
    etag,
    expected_version,
)

categories.load()  # a wrong pack stops the start, not the first request

PageSize = Annotated[int, QueryParameter(ge=1, le=100)]
Cursor = Annotated[str | None, QueryParameter(max_length=500)]


class CategoryController(Controller):
    path = "/v1/categories"
    tags = ("listings",)

    @get("/", sync_to_thread=False)
    def list_categories(self) -> CategoryList:
        """Every category with its terms: what may be offered, in which units, for how much."""
        return views.category_list()


class StorefrontController(Controller):
    path = "/v1/storefronts"
    tags = ("listings",)

    @get("/{handle:str}", responses=documented(400, 404))
    async def read_storefront(
        self,
        handle: str,
        database: Database,
        settings: Settings,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> StorefrontView:
        """A member's shop: what they offer, and the trust card. No account is needed."""
        async with database.reading() as conn:
            secret = settings.secret_bytes()
            return await storefronts.read(conn, secret, handle, cursor, page_size)


class ListingController(Controller):
    path = "/v1"
    tags = ("listings",)

    @post("/listings", responses=documented(400, 401, 409, 422))
    async def create_listing(
        self, data: ListingCreate, principal: Principal, settings: Settings, work: Work
    ) -> Response[OwnListingView]:
        """Draft a listing with four fields; the category fills in the rest."""
        secret = settings.secret_bytes()

        async def use_case(tx: Tx) -> Answer[OwnListingView]:
            view = await service.create(tx, secret, principal, data)
            return Answer(view, view.version, f"/v1/listings/{view.id}")

        return await work.run(use_case, status=201)

    @get("/listings/{listing_id:str}", responses=documented(401, 404))
    async def read_listing(
        self, listing_id: str, visitor: Principal | None, database: Database
    ) -> Response[ListingView | OwnListingView]:
        """A listing: live ones for everybody; all of their own, with the true place, for owners."""
        async with database.reading() as conn:
            view = await service.read(conn, visitor, decode("lst", listing_id))
        return Response(view, headers={"ETag": etag(view.version)})

    @patch(
        "/listings/{listing_id:str}",
        responses=documented(400, 401, 404, 409, 412, 422, 428),
    )
    async def edit_listing(
        self,
        listing_id: str,
        data: ListingPatch,
        principal: Principal,
        settings: Settings,
        free_work: Work,
        if_match: IfMatch = None,
    ) -> Response[OwnListingView]:
        """Change a listing; If-Match carries the ETag that you last read."""
        key, expected = decode("lst", listing_id), expected_version(if_match)
        secret = settings.secret_bytes()
        return await free_work.run(
            lambda tx: _tagged(service.edit(tx, secret, principal, key, expected, data))
        )

    @post(
        "/listings/{listing_id:str}/{transition:str}",
        responses=documented(400, 401, 404, 409, 422),
        status_code=200,
    )
    async def move_listing(
        self, listing_id: str, transition: Transition, principal: Principal, work: Work
    ) -> Response[OwnListingView]:
        """Publish, pause or end a listing; a 409 says what its state allows."""
        key = decode("lst", listing_id)
        return await work.run(lambda tx: _tagged(service.move(tx, principal, key, transition)))

    @get("/me/listings", responses=documented(400, 401))
    async def list_own(
        self,
        principal: Principal,
        database: Database,
        settings: Settings,
        page_size: PageSize = 20,
        cursor: Cursor = None,
    ) -> OwnListingPage:
        """Your own listings in every state, newest first."""
        async with database.reading() as conn:
            secret = settings.secret_bytes()
            return await storefronts.own_listings(conn, secret, principal, cursor, page_size)


async def _tagged(view: Any) -> Answer[OwnListingView]:
    made: OwnListingView = await view
    return Answer(made, made.version)
