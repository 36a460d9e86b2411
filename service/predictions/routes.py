"""REST: predictions for posted designs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.dependencies import CampaignDep, RawBodyDep, SessionDep
from service.design_bodies import design_body
from service.predictions import service
from service.predictions.schemas import PredictionResult
from service.predictions.service import Predictors
from service.problems import responses
from service.routing import NounRouter

router = NounRouter(tags=["predictions"])


def _predictors(request: Request) -> Predictors:
    predictors: Predictors = request.app.state.predictors
    return predictors


PredictorsDep = Annotated[Predictors, Depends(_predictors)]


@router.post(
    "/campaigns/{campaign_id}/predictions",
    responses=responses(404, 409, 413, 422),
    openapi_extra=design_body("PredictionRequest"),
)
def predict_designs(
    campaign: CampaignDep, session: SessionDep, body: RawBodyDep, predictors: PredictorsDep
) -> PredictionResult:
    """What the surrogate expects of posted designs, with 90 % intervals; nothing is stored."""
    return service.predict(session, campaign, body.content, body.content_type, predictors)
