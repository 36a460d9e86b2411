"""What the pages of administration share: who may see them, lists of campaigns, further pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Protocol

from fastapi import Depends, Query

from service.accounts.routes import all_campaigns, verify_again

# As the API's own: users and keys concern all campaigns, and a change holds at once.
ADMINISTRATION = [Depends(all_campaigns), Depends(verify_again, scope="function")]
After = Annotated[int, Query(ge=0, lt=2**63)]
PAGE_SIZE = 100
SEPARATORS = re.compile(r"[\s,;]+")


class Identified(Protocol):
    """A row with an id."""

    id: int


def campaigns_in_words(campaign_ids: Sequence[int] | None) -> str:
    """`all campaigns`, or which."""
    if campaign_ids is None:
        return "all campaigns"
    return f"only {', '.join(map(str, campaign_ids))}"


def campaign_ids_of(text: str) -> list[str] | None:
    """Numbers of campaigns as they were typed; None for an empty text: all of them."""
    return SEPARATORS.split(text.strip()) if text.strip() else None


def next_url(path: str, rows: Sequence[Identified], *, more: bool) -> str | None:
    """Address of the page behind these rows."""
    return f"{path}?after={rows[-1].id}" if more else None
