"""What replays look like from outside."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from service.runs.schemas import RunRead

COMPARISON = """The comparison; null while the replay has not succeeded.

`same_bytes`: the batch came out as it was stored, to the last digit; `stored_sha256` and `replayed_sha256` of the
two; `same_data`: the data hash is that of the round; `differences`: the first of what differs, each with `rank`
(null: of the whole batch), `field`, `stored` and `replayed`; `data_differences`: how the data differ, in words."""


class ReplayRead(RunRead):
    """A round ranked once more with its own configuration, seed, surrogate and data; nothing is proposed."""

    round_id: int
    metrics: dict[str, Any] | None = Field(description=COMPARISON)
