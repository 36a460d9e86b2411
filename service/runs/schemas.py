"""What valuation runs and acquisition rounds have in common from outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, computed_field

from service.lifecycles import AttemptOutcome, RunStatus

# Below this share an estimate of the time left is a guess: none is given.
LEAST_PROGRESS = 0.05


class RunRead(BaseModel):
    """Where a computation stands."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    status: RunStatus
    configuration: dict[str, Any]
    seed: int
    data_hash: str | None
    progress: float
    progress_message: str
    attempt: int
    device: str | None
    metrics: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @computed_field  # type: ignore[prop-decorator] # pydantic's documented form
    @property
    def seconds_left(self) -> float | None:
        """Estimate from the progress so far; null when there is nothing to go by."""
        if self.status is not RunStatus.RUNNING or not self.started_at or self.progress < LEAST_PROGRESS:
            return None
        elapsed = (datetime.now(UTC) - self.started_at).total_seconds()
        return round(elapsed * (1 - self.progress) / self.progress, 1)


class AttemptRead(BaseModel):
    """How one attempt at a run ended; the one under way stands in the run itself."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    worker: str
    outcome: AttemptOutcome = Field(
        description="As the run ended; or lost: no sign of life, and another attempt follows; handed_back: a slice is "
        "done; late: a result came after another worker had taken over, and was not stored."
    )
    message: str
    metrics: dict[str, Any] | None = Field(description="Of a late result.")
    artefact_sha256: str | None = Field(
        description="Of a late result: equal to the stored one for the same data."
    )
    started_at: datetime
    ended_at: datetime
