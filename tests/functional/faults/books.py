"""What must be true after any fault: every run that was asked for has ended well, once, and to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.functional.faults.installation import RECOVERY_S, Installation, wait_until
from tests.worker.campaign import CAMPAIGN, rows

LABELLED, CANDIDATES, BATCH = 60, 400, 5
ENDED = ("succeeded", "failed", "cancelled")
TABLES = {"valuation-runs": "valuation_runs", "acquisition-rounds": "acquisition_rounds"}


@dataclass
class Book:
    """A campaign of its own, and what was asked of it."""

    there: Installation
    campaign_id: int
    asked: dict[str, list[int]] = field(default_factory=lambda: {kind: [] for kind in TABLES})

    @classmethod
    def open(cls, there: Installation) -> Book:
        campaign = there.http.post("/campaigns", json=CAMPAIGN | {"budget": None}).raise_for_status().json()
        samples = rows(LABELLED, CANDIDATES, holdout=8)
        url = f"/campaigns/{campaign['id']}/samples:bulk"
        there.http.post(url, json={"samples": samples}).raise_for_status()
        return cls(there, campaign["id"])

    def value(self, *, epochs: int = 20, members: int = 4) -> int:
        """Request a valuation; its id."""
        configuration = {"epochs": epochs, "ensemble": members}
        return self._ask("valuation-runs", {"seed": 1, "configuration": configuration})

    def rank(self) -> int:
        """Request a round; its id. Each proposes other candidates than those before."""
        configuration = {"batch_size": BATCH, "control_fraction": 0}
        return self._ask("acquisition-rounds", {"seed": 1, "configuration": configuration})

    def _ask(self, kind: str, document: dict[str, Any]) -> int:
        answer = self.there.http.post(f"/campaigns/{self.campaign_id}/{kind}", json=document)
        key = int(answer.raise_for_status().json()["id"])
        self.asked[kind].append(key)
        return key

    def status(self, kind: str, key: int) -> tuple[str, int, str]:
        """Status, attempt and progress message, from the row."""
        statement = f"SELECT status, attempt, progress_message FROM {TABLES[kind]} WHERE id = %s"
        return self.there.query(statement, key)[0]

    def is_met_at(self, kind: str, key: int, message: str) -> bool:
        """Wait until the run says that it is at a step, or has ended; whether it is at the step."""

        def seen() -> tuple[str, int, str] | None:
            found = self.status(kind, key)
            return found if message in found[2] or found[0] in ENDED else None

        return message in wait_until(seen, f"{kind} {key} is at '{message}'")[2]

    def close(self, kind: str, key: int, *, seconds: float = RECOVERY_S) -> None:
        """Wait until the run has succeeded."""
        wait_until(lambda: self.status(kind, key)[0] in ENDED, f"{kind} {key} ends", seconds)
        assert self.status(kind, key)[0] == "succeeded", self.failures()

    def failures(self) -> list[str]:
        """Why runs have failed."""
        statement = "SELECT id, error_message FROM {} WHERE campaign_id = %s AND status = 'failed'"
        found = [self.there.query(statement.format(table), self.campaign_id) for table in TABLES.values()]
        return [str(row) for rows in found for row in rows]

    def check(self) -> dict[str, int]:
        """Count what was lost, doubled, stuck or has other bytes than its like; each must be 0."""
        counts = {"lost": 0, "doubled": 0, "stuck": 0, "changed": self._changed()}
        for kind, keys in self.asked.items():
            for key in keys:
                status = self.status(kind, key)[0]
                counts["stuck"] += status not in ENDED
                counts["lost"] += status in {"failed", "cancelled"} or (
                    status == "succeeded" and not self._is_whole(kind, key)
                )
                counts["doubled"] += self._successes(kind, key) > 1
        return counts

    def _is_whole(self, kind: str, key: int) -> bool:
        """All of the result is there, and nothing twice."""
        if kind == "acquisition-rounds":
            statement = "SELECT count(*), count(DISTINCT sample_id) FROM recommendations WHERE round_id = %s"
            return self.there.query(statement, key) == [(BATCH, BATCH)]
        statement = """
            SELECT (SELECT count(*) FROM data_values WHERE valuation_run_id = %s),
                   (SELECT count(*) FROM surrogates WHERE valuation_run_id = %s)
        """
        return self.there.query(statement, key, key) == [(LABELLED, 1)]

    def _successes(self, kind: str, key: int) -> int:
        statement = """
            SELECT count(*) FROM run_attempts
            WHERE run_kind = %s AND run_id = %s AND outcome = 'succeeded'
        """
        return int(self.there.query(statement, TABLES[kind], key)[0][0])

    def _changed(self) -> int:
        """How many surrogates are not the bytes that the same data, configuration and seed gave before."""
        statement = """
            SELECT count(DISTINCT s.artefact_sha256) - 1
            FROM surrogates s JOIN valuation_runs v ON v.id = s.valuation_run_id
            WHERE v.campaign_id = %s GROUP BY v.configuration, v.data_hash
        """
        return sum(int(row[0]) for row in self.there.query(statement, self.campaign_id))

    def attempts(self, kind: str, key: int) -> list[tuple[int, str, str]]:
        """Attempt, outcome and message of each that has ended."""
        statement = """
            SELECT attempt, outcome, message FROM run_attempts WHERE run_kind = %s AND run_id = %s ORDER BY id
        """
        return self.there.query(statement, TABLES[kind], key)
