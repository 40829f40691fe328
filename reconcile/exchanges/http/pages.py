"""Reading a ledger page by page, newest first, by the id of the oldest bill so far (OKX, Bitget)."""

from collections.abc import Awaitable, Callable

from reconcile.errors import ReadFailed
from reconcile.exchanges.http.rows import Row
from reconcile.model.ledger import LedgerRow

MOST_PAGES = 500


async def read_pages(
    what: str, page: Callable[[int | None], Awaitable[list[Row]]], movement: Callable[[Row], LedgerRow | None]
) -> dict[str, LedgerRow]:
    """Every row that moved margin, by id. ``page`` reads the bills below an id (None: the newest).

    Pages are followed to an empty one: a short page is no proof of the end. Raises ReadFailed, also where the pages do
    not go on, or where there are more than ``MOST_PAGES``.
    """
    found: dict[str, LedgerRow] = {}
    below: int | None = None
    for _ in range(MOST_PAGES):
        bills = await page(below)
        if not bills:
            return found
        oldest = min(row.whole("billId") for row in bills)
        if below is not None and oldest >= below:
            raise ReadFailed(f"{what}: the pages do not go on; try again later", again=True)
        below = oldest
        moved = (movement(row) for row in bills)
        found.update({row.row_id: row for row in moved if row is not None})
    raise ReadFailed(f"{what}: more than {MOST_PAGES} pages; narrow the time", again=False)
