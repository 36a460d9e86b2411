"""REST: predictions for posted designs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from service.dependencies import CampaignDep, GuardedRoute, RawBodyDep, SessionDep
from service.predictions import service
from service.predictions.schemas import PredictionResult
from service.predictions.service import Predictors
from service.problems import responses

router = APIRouter(tags=["predictions"], route_class=GuardedRoute)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PredictionRequest"}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One design a line."}},
            "text/csv": {"schema": {"type": "string", "description": "Columns source and one per feature."}},
        },
    }
}


def _predictors(request: Request) -> Predictors:
    predictors: Predictors = request.app.state.predictors
    return predictors


PredictorsDep = Annotated[Predictors, Depends(_predictors)]


@router.post(
    "/campaigns/{campaign_id}/predictions", responses=responses(404, 409, 413, 422), openapi_extra=_BODY
)
def predict_designs(
    campaign: CampaignDep, session: SessionDep, body: RawBodyDep, predictors: PredictorsDep
) -> PredictionResult:
    """What the surrogate expects of posted designs, with 90 % intervals; nothing is stored."""
    return service.predict(session, campaign, body.content, body.content_type, predictors)
