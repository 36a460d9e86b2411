"""Every table; importing this package fills `Base.metadata`."""

from service.database.models.account import ApiKey, LoginAttempts, User, UserSession
from service.database.models.acquisition import (
    AcquisitionRound,
    PreviewedPick,
    RankedCandidate,
    Recommendation,
    RecommendationChange,
    Replay,
)
from service.database.models.audit import AuditEvent
from service.database.models.backtest import Backtest
from service.database.models.campaign import Campaign, Source
from service.database.models.event import Event
from service.database.models.idempotency import StoredAnswer
from service.database.models.import_run import ImportRun
from service.database.models.injection import Injection
from service.database.models.pool_map import MapPoint, PoolMap
from service.database.models.process import Process
from service.database.models.review import Review
from service.database.models.round import CampaignRound
from service.database.models.run import RunAttempt, RunCheckpoint, RunLogLine
from service.database.models.sample import LabelChange, Sample, SampleVeto, Upload
from service.database.models.schedule import Schedule, ScheduleFiring
from service.database.models.simulation import SimulationRun
from service.database.models.valuation import DataValue, Surrogate, SurrogatePromotion, ValuationRun
from service.database.models.webhook import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "AcquisitionRound",
    "ApiKey",
    "AuditEvent",
    "Backtest",
    "Campaign",
    "CampaignRound",
    "DataValue",
    "Event",
    "ImportRun",
    "Injection",
    "LabelChange",
    "LoginAttempts",
    "MapPoint",
    "PoolMap",
    "PreviewedPick",
    "Process",
    "RankedCandidate",
    "Recommendation",
    "RecommendationChange",
    "Replay",
    "Review",
    "RunAttempt",
    "RunCheckpoint",
    "RunLogLine",
    "Sample",
    "SampleVeto",
    "Schedule",
    "ScheduleFiring",
    "SimulationRun",
    "Source",
    "StoredAnswer",
    "Surrogate",
    "SurrogatePromotion",
    "Upload",
    "User",
    "UserSession",
    "ValuationRun",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
]
