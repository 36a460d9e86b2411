"""Tokens against requests that another site makes in a browser that is signed in.

A session's cookie goes with every request of its browser, so a change needs a second proof: a token that only our own
pages hold, in a hidden field of each form (templates get it by themselves) or in the header that htmx sends. Requests
with a key need none: no browser adds that by itself. `refuse_cross_site` is the second wall.
"""

from __future__ import annotations

import hmac
from contextvars import ContextVar

from fastapi import Request
from starlette.datastructures import FormData

from service.errors import ForbiddenError

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
LONGEST_FIELD_BYTES = 8 * 2**20
MOST_FIELDS = 10_000  # the longest feature schema, as a table of inputs, has half as many
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# Of the request in hand; empty where no session asks.
current_token: ContextVar[str] = ContextVar("csrf_token", default="")


async def check(request: Request, expected: str) -> None:
    """Go on only with the session's token, in the header or in the form.

    Raises:
        ForbiddenError: without it.
    """
    given = request.headers.get(HEADER) or await _in_form(request)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        await request.close()  # files that came with the form
        message = "The form does not belong to this session."
        raise ForbiddenError(message, hint="Reload the page and send it again.")


async def _in_form(request: Request) -> str:
    """The field of a form; what is read here is kept for the route."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith(_FORMS):
        return ""
    if kind.startswith(_FORMS[0]):  # asked for as bytes too, of which a form that was read leaves nothing
        await request.body()
    value = (await form_of(request)).get(FIELD, "")
    return value if isinstance(value, str) else ""


async def form_of(request: Request) -> FormData:
    """The form, with fields so long and so many that the check behind it can say what is wrong with them."""
    return await request.form(max_part_size=LONGEST_FIELD_BYTES, max_fields=MOST_FIELDS)
