"""Curves of a labelled sample, read again from the stored original of its upload.

Reading takes up to seconds of one processor: one file is read at a time, and the last 64 stay in memory, thinned.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from service.database.models import Upload
from service.errors import ConflictError, CrashscoutError, NotFoundError
from service.ingest import CrashTest, read_crash_test
from service.ingest.labels import vehicle_pulse
from service.samples import service as samples
from service.settings import Settings
from service.signals.curves import OccupantCurves, occupant_curves
from service.uploads import originals, service
from service.uploads.schemas import CurvesRead, UploadCurvesRead, UploadRequest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A larger file takes too long for somebody who waits for a page.
MOST_MIB = 64
_reading = threading.Lock()


@dataclass(frozen=True)
class _Original:
    """What a reading depends on; equal ones give the same curves."""

    storage_key: str
    filename: str
    request: str  # JSON of what was said beside the file
    definition: str
    settings: Settings = field(compare=False)


def curves_of(session: Session, settings: Settings, sample_id: int) -> CurvesRead:
    """Car and chest of a sample that came from a file.

    Raises:
        NotFoundError: if there is no such sample, it came without a file, or its original was not kept.
        ConflictError: if the file is too large, or nothing can be drawn from it (any more).
        UnavailableError: if the original is gone from its folder.
    """
    sample = samples.get(session, sample_id)
    if sample.upload_id is None:
        hint = "Upload the file of a test to see its curves: POST /api/v1/uploads."
        raise NotFoundError(f"Sample {sample_id} came without a file: there are no curves.", hint=hint)
    upload = service.get(session, sample.upload_id)
    occupant = next((name for name, key in (upload.sample_ids or {}).items() if key == sample_id), "driver")
    read = _read(upload.id, occupant, _of_upload(upload, settings, occupant))
    return CurvesRead(sample_id=sample_id, **read.model_dump())


def curves_of_upload(session: Session, settings: Settings, upload_id: int, occupant: str) -> UploadCurvesRead:
    """Car and chest of an occupant of an upload, before anything is decided about it.

    Raises:
        NotFoundError: if there is no such upload, or its original was not kept.
        ConflictError: if the file is too large, or nothing can be drawn from it.
        UnavailableError: if the original is gone from its folder.
    """
    upload = service.get(session, upload_id)
    return _read(upload.id, occupant, _of_upload(upload, settings, occupant))


def _of_upload(upload: Upload, settings: Settings, occupant: str) -> OccupantCurves:
    if upload.storage_key is None:
        raise NotFoundError(f"The original of upload {upload.id} was not kept.", hint="Send the file again.")
    if upload.size_bytes > MOST_MIB * 2**20:
        message = f"{upload.filename} is larger than {MOST_MIB} MiB: its curves are not drawn here."
        raise ConflictError(message, hint="`crashscout rolc` reads it on any machine.")
    said = UploadRequest.model_validate(upload.request)
    source = _Original(
        upload.storage_key, upload.filename, said.model_dump_json(), upload.label_definition, settings
    )
    found = _curves(source).get(occupant)
    if found is None:
        message = f"{upload.filename} holds no car pulse with a chest signal of the {occupant}."
        raise ConflictError(message, hint="Look at the channels of the upload.")
    return found


def _curves(source: _Original) -> dict[str, OccupantCurves]:
    with _reading:
        return _read_curves(source)


@lru_cache(maxsize=64)
def _read_curves(source: _Original) -> dict[str, OccupantCurves]:
    """Curves by occupant, of those that have a chest signal."""
    said = UploadRequest.model_validate_json(source.request)
    with originals.opened(source.settings, source.storage_key, source.filename) as path:
        test = read_crash_test(path, file_format=said.file_format, options=said.options())
    found = ((seat.role, _of_occupant(test, seat.role, source.definition)) for seat in test.occupants)
    return {role: curves for role, curves in found if curves is not None}


def _of_occupant(test: CrashTest, role: str, definition: str) -> OccupantCurves | None:
    chest = next(seat.chest for seat in test.occupants if seat.role == role)
    if chest is None or not test.vehicle:
        return None
    pulse, _ = vehicle_pulse(test.vehicle)
    try:
        return occupant_curves(pulse, chest, test.initial_speed_mps, definition)
    except CrashscoutError:
        return None  # records that do not overlap: the upload's report has said so


def _read(upload_id: int, occupant: str, curves: OccupantCurves) -> UploadCurvesRead:
    result = curves.result
    return UploadCurvesRead(
        upload_id=upload_id,
        occupant=occupant,
        label_definition=result.label_definition,
        rolc_g=result.rolc_g,
        t1_ms=result.t1_ms,
        t2_ms=result.t2_ms,
        samples=curves.samples,
        shown=len(curves.time_ms),
        time_ms=[round(value, 3) for value in curves.time_ms.tolist()],
        vehicle_g=[round(value, 3) for value in curves.vehicle_g.tolist()],
        chest_g=[round(value, 3) for value in curves.chest_g.tolist()],
        vehicle_mps=[round(value, 4) for value in curves.vehicle_mps.tolist()],
        chest_mps=[round(value, 4) for value in curves.chest_mps.tolist()],
    )
