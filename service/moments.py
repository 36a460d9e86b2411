"""Times as they come in: RFC 3339 text. Seconds since 1970 are read by nobody, and meant by nobody who writes them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")


def _refuse_numbers(value: Any) -> Any:  # noqa: ANN401 - what came in
    """Pass on what is no number, as such or, as all of a query is, as text.

    Raises:
        ValueError: which pydantic tells with the place of the value.
    """
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("expects a time like 2027-01-15T02:00:00Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_refuse_numbers)]
AwareMoment = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers)]
