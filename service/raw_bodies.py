"""Bodies that routes read themselves, in several formats: what FastAPI cannot see of their JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from service.predictions.schemas import PredictionRequest
from service.scores.schemas import ScoreRequest

REQUESTS: tuple[type[BaseModel], ...] = (ScoreRequest, PredictionRequest)
_REFERENCE = "#/components/schemas/{model}"


def describe(document: dict[str, Any]) -> None:
    """Add the schemas of the requests, to which their routes refer by name."""
    schemas = document["components"]["schemas"]
    for request in REQUESTS:
        schema = request.model_json_schema(ref_template=_REFERENCE)
        for name, part in schema.pop("$defs", {}).items():
            schemas.setdefault(name, part)
        schemas[request.__name__] = schema
