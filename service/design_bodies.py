"""The OpenAPI text of bodies that list designs, as JSON, NDJSON or CSV: routes read them themselves."""

from __future__ import annotations

import json
from typing import Any

_EXAMPLE = {"source": "full_vehicle", "planned_features": {"impact_speed_kmh": 56.0, "test_mass_kg": 2310}}


def design_body(model: str) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON document is the named model."""
    lines = {"type": "string", "description": "One design a line."}
    table = {"type": "string", "description": "Columns source and one per feature."}
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}},
        "application/x-ndjson": {"schema": lines, "example": json.dumps(_EXAMPLE) + "\n"},
        "text/csv": {
            "schema": table,
            "example": "source,impact_speed_kmh,test_mass_kg\nfull_vehicle,56.0,2310\n",
        },
    }
    return {"requestBody": {"required": True, "content": content}}
