"""The worker's side of an import: one test after another, each in transactions of its own.

It works in slices and gives way in between, so that a long import does not hold up a worker that also
trains. What became of each test stands in the run's metrics: a slice goes on where the last one stopped, also
when that one was killed.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.campaigns import service as campaigns
from service.database.engine import unit_of_work
from service.database.models import Campaign, ImportRun, Upload
from service.errors import ConflictError, CrashscoutError, TooLargeError, UnavailableError
from service.imports.numbering import parse_tests
from service.imports.schemas import Outcome
from service.ingest.nhtsa_api import NhtsaClient, NhtsaConfig
from service.ingest.nhtsa_metadata import NhtsaTest
from service.lifecycles import UploadStatus
from service.samples import repository as samples_repository
from service.samples import service as samples
from service.settings import Settings
from service.uploads import originals, processing
from service.uploads import service as uploads
from service.uploads.proposals import as_kind
from service.uploads.schemas import Acceptance, UploadRequest
from service.vocabulary import FeatureKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

SLICE_S = 20.0
# So many tests in a row that cannot be had: then it is not the test.
MOST_UNAVAILABLE = 3
ROLE_OF_IMPORTED = "driver"
Report = Callable[[float, str], None]


@dataclass
class Tally:
    """What became of the tests so far; `tests` keeps one entry each, in the order of their numbers."""

    total: int
    seconds: float = 0.0
    tests: list[dict[str, Any]] = field(default_factory=list)
    sample_ids: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, run: ImportRun, total: int) -> Tally:
        known = run.metrics or {}
        tests = list(known.get("tests", []))
        stored = [key for test in tests for key in test.get("sample_ids", [])]
        return cls(total, known.get("seconds", 0.0), tests, stored)

    @property
    def done(self) -> int:
        return len(self.tests)

    def metrics(self) -> dict[str, Any]:
        counts = Counter(test["outcome"] for test in self.tests)
        return {
            "total": self.total,
            "done": self.done,
            "seconds": round(self.seconds, 3),
            "outcomes": dict(sorted(counts.items())),
            "tests": self.tests,
        }

    def data_hash(self) -> str:
        """SHA-256 over the files that samples came from."""
        lines = [f"{test['test']} {test.get('sha256', '')}" for test in self.tests]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def config_of(settings: Settings) -> NhtsaConfig:
    return NhtsaConfig(
        base_url=settings.nhtsa_url,
        file_host=settings.nhtsa_file_host,
        cache_folder=originals.files_folder(settings) / "nhtsa",
        requests_per_s=settings.nhtsa_requests_per_s,
    )


def _why_useless(test: NhtsaTest | None) -> dict[str, Any] | None:
    """The entry of a test that is not worth a download; None for one that is."""
    if test is None:
        return {"outcome": Outcome.NO_DATA, "detail": "the database has no such test"}
    if test.not_frontal is not None:
        return {"outcome": Outcome.NOT_FRONTAL, "detail": test.not_frontal}
    if test.ev5_url is None:
        return {"outcome": Outcome.NO_DATA, "detail": "the database has no EV5 file of it"}
    return None


class Importer:
    """One slice of one import.

    `report` is called with progress and message, often enough to keep the run's lease; what it raises (the run
    was cancelled or lost) ends the slice, and everything that is stored stays.
    """

    def __init__(
        self, sessions: sessionmaker[Session], run: ImportRun, settings: Settings, report: Report
    ) -> None:
        self._sessions = sessions
        self._run = run
        self._settings = settings
        self._report = report
        self._numbers = parse_tests(run.configuration["tests"])
        self.tally = Tally.of(run, len(self._numbers))

    def work(self, *, slice_s: float = SLICE_S) -> bool:
        """Import until all tests are done (True) or the slice is over (False).

        Raises:
            UnavailableError: after several tests in a row for which the database did not answer.
        """
        started, before = time.monotonic(), self.tally.seconds
        with NhtsaClient(config_of(self._settings), on_wait=self._waiting) as client:
            for number in self._numbers[self.tally.done :]:
                self._report(self.tally.done / self.tally.total, f"test {number}: {self._line()}")
                self.tally.tests.append({"test": number, **self._import(client, number)})
                self.tally.seconds = before + time.monotonic() - started
                self._refuse_to_go_on_in_vain()
                if time.monotonic() - started > slice_s and self.tally.done < self.tally.total:
                    return False
        return True

    def _waiting(self, message: str) -> None:
        self._report(self.tally.done / self.tally.total, message)

    def _line(self) -> str:
        return f"{self.tally.done} of {self.tally.total} done"

    def _refuse_to_go_on_in_vain(self) -> None:
        last = self.tally.tests[-MOST_UNAVAILABLE:]
        if len(last) == MOST_UNAVAILABLE and all(t["outcome"] == Outcome.UNAVAILABLE for t in last):
            hint = "What was imported stays; request the import again to go on."
            raise UnavailableError(f"{last[-1]['detail']} Given up after test {last[-1]['test']}.", hint=hint)

    def _import(self, client: NhtsaClient, number: int) -> dict[str, Any]:
        if self._is_there(number):
            return {"outcome": Outcome.ALREADY_THERE}
        try:
            test = client.test(number)
            if (useless := _why_useless(test)) is not None:
                return useless
            assert test is not None
            path = client.ev5(test)
        except UnavailableError as error:
            return {"outcome": Outcome.UNAVAILABLE, "detail": error.message}
        except CrashscoutError as error:
            return {"outcome": Outcome.UNREADABLE, "detail": str(error)}
        return self._store(test, path)

    def _is_there(self, number: int) -> bool:
        name = f"ev5-{number}-{ROLE_OF_IMPORTED}"
        with unit_of_work(self._sessions) as session:
            return bool(samples_repository.known_external_ids(session, self._run.campaign_id, [name]))

    def _store(self, test: NhtsaTest, path: Path) -> dict[str, Any]:
        """Upload, read and accept the file, as a person would.

        Raises:
            UnavailableError: if our own disk cannot take it: no later test would fare better.
        """
        try:
            upload = self._upload(test, path)
        except (ConflictError, TooLargeError) as error:
            return {"outcome": Outcome.NOT_ACCEPTED, "detail": str(error)}
        except UnavailableError:
            raise
        except CrashscoutError as error:
            path.unlink(missing_ok=True)  # damaged beyond its directory: another download may be whole
            return {"outcome": Outcome.UNREADABLE, "detail": str(error)}
        entry: dict[str, Any] = {"upload_id": upload.id, "sha256": upload.sha256}
        processing.process(self._sessions, upload.id, self._settings)
        with unit_of_work(self._sessions) as session:
            upload = uploads.get(session, upload.id)
            if upload.status is not UploadStatus.PARSED:
                return entry | {"outcome": Outcome.UNREADABLE, "detail": upload.error_message or ""}
            gaps, notes = self._compare(campaigns.get(session, upload.campaign_id), upload, test)
        if notes:
            entry["notes"] = notes
        return entry | self._accept(upload.id, gaps)

    def _upload(self, test: NhtsaTest, path: Path) -> Upload:
        wanted = self._run.configuration
        request = UploadRequest(
            source=wanted["source"],
            split=wanted["split"],
            occupants=wanted["occupants"],
            file_format="ev5",
        )
        with unit_of_work(self._sessions) as session, path.open("rb") as content:
            campaign = campaigns.get(session, self._run.campaign_id)
            name = f"v{test.test_number:05d}.zip"
            return uploads.create(
                session, self._settings, campaign, request, filename=name, content=content, actor=self._actor
            )

    @property
    def _actor(self) -> str:
        return self._run.requested_by

    def _compare(
        self, campaign: Campaign, upload: Upload, test: NhtsaTest
    ) -> tuple[dict[str, Any], list[str]]:
        """Features of the metadata that the file lacks, and where both know a number and disagree."""
        assert upload.report is not None
        in_file = {seat["occupant"]: seat["features"] for seat in upload.report["occupants"]}
        driver = in_file.get(ROLE_OF_IMPORTED, {})
        gaps, notes = {}, []
        for name, feature in samples.schema_of(campaign).features.items():
            said, measured = test.features.get(name), driver.get(name)
            if said is None:
                continue
            if measured is None:
                gaps[name] = as_kind(said, feature)
            elif feature.kind is not FeatureKind.CATEGORICAL and said != measured:
                notes.append(f"{name} is {said:g} in the metadata and {measured:g} in the file")
        return gaps, notes

    def _accept(self, upload_id: int, gaps: dict[str, Any]) -> dict[str, Any]:
        try:
            with unit_of_work(self._sessions) as session:
                upload, stored = uploads.accept(
                    session, upload_id, Acceptance(features=gaps), actor=self._actor
                )
        except CrashscoutError as error:
            details = "; ".join(f"{item.pointer} {item.message}" for item in error.errors)
            return {"outcome": Outcome.NOT_ACCEPTED, "detail": f"{error} {details}".strip()[:500]}
        self.tally.sample_ids += [sample.id for sample in stored]
        return {"outcome": Outcome.IMPORTED, "sample_ids": list((upload.sample_ids or {}).values())}
