"""REST: bulk exports, streamed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse

from service.acquisitions import service as acquisitions
from service.dependencies import CampaignDep, SessionDep
from service.exports import service
from service.exports.formats import MEDIA_TYPES, writer_of
from service.exports.schemas import ExportFormat, SampleShape
from service.exports.service import Table
from service.exports.streaming import ExportStream
from service.predictions import service as predictions
from service.problems import responses
from service.routing import NounRouter
from service.samples.schemas import SampleFilter
from service.valuations import service as valuations

router = NounRouter(tags=["exports"])
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, streamed. A connection that is cut before its end means that it is not whole.",
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
    }
}
FormatQuery = Annotated[ExportFormat, Query(alias="format")]
SafeQuery = Annotated[
    bool, Query(description="CSV: put an apostrophe before texts that a spreadsheet would run as a formula.")
]


@router.get(
    "/campaigns/{campaign_id}/samples:export",
    response_class=StreamingResponse,
    responses=_FILE | responses(404),
)
def export_samples(
    request: Request,
    campaign: CampaignDep,
    wanted: Annotated[SampleFilter, Depends()],
    export_format: FormatQuery = ExportFormat.CSV,
    shape: SampleShape = SampleShape.FULL,
    *,
    spreadsheet_safe: SafeQuery = True,
) -> ExportStream:
    """Samples by id. `shape=bulk` gives what `samples:bulk` takes in again."""
    table = service.samples_table(campaign, wanted, shape, export_format)
    name, is_bulk = f"campaign-{campaign.id}-samples", shape is SampleShape.BULK
    return _stream(
        request, table, export_format, name, spreadsheet_safe=spreadsheet_safe, omit_missing=is_bulk
    )


@router.get(
    "/valuation-runs/{run_id}/values:export",
    response_class=StreamingResponse,
    responses=_FILE | responses(404),
)
def export_data_values(
    request: Request,
    run_id: int,
    session: SessionDep,
    export_format: FormatQuery = ExportFormat.CSV,
    *,
    spreadsheet_safe: SafeQuery = True,
) -> ExportStream:
    """Data values of a run, the most valuable first."""
    table = service.values_table(valuations.get(session, run_id).id)
    name = f"valuation-run-{run_id}-values"
    return _stream(request, table, export_format, name, spreadsheet_safe=spreadsheet_safe)


@router.get(
    "/acquisition-rounds/{round_id}/ranking:export",
    response_class=StreamingResponse,
    responses=_FILE | responses(404),
)
def export_ranking(
    request: Request,
    round_id: int,
    session: SessionDep,
    export_format: FormatQuery = ExportFormat.CSV,
    *,
    spreadsheet_safe: SafeQuery = True,
) -> ExportStream:
    """The ranking of a round, the best first, as far as `stored_rows` asked to keep it."""
    table = service.ranking_table(acquisitions.get_round(session, round_id).id)
    name = f"acquisition-round-{round_id}-ranking"
    return _stream(request, table, export_format, name, spreadsheet_safe=spreadsheet_safe)


@router.get(
    "/campaigns/{campaign_id}/predictions:export",
    response_class=StreamingResponse,
    responses=_FILE | responses(404, 409),
)
def export_predictions(
    request: Request,
    campaign: CampaignDep,
    session: SessionDep,
    wanted: Annotated[SampleFilter, Depends()],
    export_format: FormatQuery = ExportFormat.CSV,
    surrogate_id: Annotated[int | None, Query(ge=1, description="Left out: the one that serves.")] = None,
    *,
    spreadsheet_safe: SafeQuery = True,
) -> ExportStream:
    """What a surrogate expects of every sample, as it was run or else is planned, with 90 % intervals."""
    predictor = predictions.predictor_of(session, campaign, surrogate_id, request.app.state.predictors)
    table = service.predictions_table(campaign, wanted, predictor)
    name = f"campaign-{campaign.id}-predictions"
    return _stream(request, table, export_format, name, spreadsheet_safe=spreadsheet_safe)


def _stream(
    request: Request,
    table: Table,
    export_format: ExportFormat,
    name: str,
    *,
    spreadsheet_safe: bool,
    omit_missing: bool = False,
) -> ExportStream:
    writer = writer_of(
        table.columns, export_format, spreadsheet_safe=spreadsheet_safe, omit_missing=omit_missing
    )
    state = request.app.state
    return ExportStream(table, writer, state.sessions, state.exports, export_format=export_format, name=name)
