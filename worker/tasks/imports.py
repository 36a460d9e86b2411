"""`import.run`: fetch tests of a public database in slices, giving way to other work in between."""

from __future__ import annotations

from service.database.models import ImportRun
from service.imports.processing import Importer
from service.lifecycles import RunStatus
from service.runs import repository as runs
from service.runs import service as runs_service
from service.settings import get_settings
from worker import process
from worker.tasks.lifecycle import ActiveRun, execute


def import_run(run_id: int) -> None:
    """Claim the import, work for a slice, then end it or queue the rest."""
    execute(ImportRun, run_id, _compute, sessions=process.sessions(), settings=get_settings())


def _compute(run: ActiveRun) -> None:
    row, settings = run.row, get_settings()
    assert isinstance(row, ImportRun)
    importer = Importer(process.sessions(), row, settings, run.report)
    try:
        ended = importer.work()
    finally:
        _write_down(run, row, importer)
    tally = importer.tally
    with run.transaction() as session:
        if ended:
            runs.finish(
                session, ImportRun, row, RunStatus.SUCCEEDED, data_hash=tally.data_hash(), progress=1.0,
                progress_message="done",
            )  # fmt: skip
        elif runs.hand_back(
            session, ImportRun, row, progress=tally.done / tally.total,
            progress_message=f"{tally.done} of {tally.total} done",
        ):  # fmt: skip
            runs_service.send(session, row)


def _write_down(run: ActiveRun, row: ImportRun, importer: Importer) -> None:
    """What became of the tests, also when the slice ends in an error or a cancellation."""
    tally = importer.tally
    with run.transaction() as session:
        runs.annotate(session, ImportRun, row, metrics=tally.metrics(), sample_ids=tally.sample_ids)
