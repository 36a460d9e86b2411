"""What webhooks and their deliveries look like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.campaigns.schemas import STORABLE, Strict, Text
from service.events.schemas import EventPattern
from service.lifecycles import DeliveryStatus

Url = Annotated[Text, Field(max_length=2000, description="Public http or https address; https is advised.")]
Patterns = Annotated[list[EventPattern], Field(min_length=1, max_length=50)]
Secret = Annotated[str, StringConstraints(min_length=24, max_length=200, pattern=r"^[!-~]+$"), STORABLE]


class WebhookCreate(Strict):
    """Tell another tool of what happens in the campaign, from now on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "url": "https://tools.example.com/crashscout",
                "events": ["round.closed", "recommendation.*"],
            }
        },
    )

    url: Url
    events: Patterns
    secret: Secret | None = Field(None, description="Null: one is made, and shown this once.")


class WebhookUpdate(Strict):
    """What is given replaces what was."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"events": ["round.closed", "recommendation.*"]}}
    )

    url: Url | None = None
    events: Patterns | None = None
    secret: Secret | None = None
    is_active: bool | None = Field(
        None, description="False: nothing is sent; events of the pause are not made up for."
    )


class WebhookRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    campaign_id: int
    url: str
    events: list[str]
    is_active: bool
    created_by: str
    created_at: datetime


class WebhookCreated(WebhookRead):
    secret: str = Field(description="Key of the signature; it is not shown again.")


class DeliveryRead(BaseModel):
    """One event for one webhook."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    webhook_id: int
    event_position: int
    event_type: str
    status: DeliveryStatus
    attempt: int = Field(description="Attempts so far.")
    next_attempt_at: datetime | None
    replay_of: int | None
    created_at: datetime
    finished_at: datetime | None


class AttemptRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str
    answer: str = Field(description="The beginning of the answer's body.")


class DeliveryDetail(DeliveryRead):
    body: str = Field(description="The bytes that were signed.")
    attempts: list[AttemptRead]
