"""Which surrogate serves predictions and rankings, and the gate before it.

A new surrogate serves when its root mean squared error on the holdout samples that it shares with the present one
exceeds that one's by 5 % at most: both errors are measured on the same samples, with the newer labels. A worse one
is held back until somebody lets it serve with a reason. Without a shared holdout nothing can be compared: the
newest surrogate then serves, as its training and validation rows are the newest, and the history says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.audit import repository as audit
from service.campaigns import repository as campaigns_repository
from service.database.models import Campaign, Surrogate, SurrogatePromotion
from service.errors import ConflictError, NotFoundError
from service.pagination import PageRequest, cut_page
from service.valuations import repository
from service.valuations.schemas import GateRead, PromotionRequest
from service.vocabulary import GateOutcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Relative: an error of 2.00 g may be followed by one of 2.10 g.
TOLERANCE = 0.05
# Fewer shared samples tell nothing about a difference of a few per cent.
LEAST_SHARED = 10
PASSES = frozenset({GateOutcome.FIRST, GateOutcome.NOT_WORSE})
AUTOMATIC = "gate"


@dataclass(frozen=True)
class Gate:
    """The judgement on `surrogate`; errors in target units on `shared_samples`, None where not compared."""

    surrogate: Surrogate
    present: Surrogate | None
    outcome: GateOutcome
    shared_samples: int
    rmse: float | None
    present_rmse: float | None

    @property
    def comparison(self) -> dict[str, Any]:
        return {
            "shared_samples": self.shared_samples,
            "rmse": self.rmse,
            "present_rmse": self.present_rmse,
            "tolerance": TOLERANCE,
        }


def serving_surrogate(session: Session, campaign: Campaign) -> Surrogate | None:
    """The surrogate that predicts and ranks: the one promoted last, without any promotion the newest one."""
    newest = repository.newest_promotion(session, campaign.id)
    if newest is None:
        return repository.newest_surrogate(session, campaign.id)
    return repository.get_surrogate(session, newest.surrogate_id)


def usable_surrogate_id(session: Session, campaign: Campaign, trained_id: int) -> int:
    """The surrogate that was trained for a round, unless the gate held it back: then the one that serves."""
    serving = serving_surrogate(session, campaign)
    if serving is None or repository.was_promoted(session, trained_id):
        return trained_id
    return serving.id


def judge(session: Session, campaign: Campaign, surrogate: Surrogate) -> Gate:
    """Hold a surrogate against the present one. O(holdout samples).

    Raises:
        ConflictError: if it serves already.
    """
    present = _present(session, campaign, surrogate)
    if present is None:
        return Gate(surrogate, None, GateOutcome.FIRST, 0, None, None)
    older, newer = sorted((present, surrogate), key=lambda found: found.id)
    pairs = _shared(holdout_points(older), holdout_points(newer))
    if len(pairs) < LEAST_SHARED:
        return Gate(surrogate, present, GateOutcome.NOT_MEASURED, len(pairs), None, None)
    of_older, of_newer = (_rmse([(label, pair[side]) for label, *pair in pairs]) for side in (0, 1))
    rmse, present_rmse = (of_newer, of_older) if surrogate is newer else (of_older, of_newer)
    worse = rmse > present_rmse * (1 + TOLERANCE)
    outcome = GateOutcome.WORSE if worse else GateOutcome.NOT_WORSE
    return Gate(surrogate, present, outcome, len(pairs), rmse, present_rmse)


def _present(session: Session, campaign: Campaign, surrogate: Surrogate) -> Surrogate | None:
    """What serves beside the one that is judged; before the first promotion the newest other one."""
    newest = repository.newest_promotion(session, campaign.id)
    if newest is None:
        return repository.newest_surrogate(session, campaign.id, other_than=surrogate.id)
    if newest.surrogate_id == surrogate.id:
        raise ConflictError(f"Surrogate {surrogate.id} serves already.")
    return repository.get_surrogate(session, newest.surrogate_id)


def holdout_points(surrogate: Surrogate) -> dict[int, tuple[float, float]]:
    """Holdout sample -> (label, prediction); empty for a surrogate without an assessment or a holdout."""
    holdout = (surrogate.assessment or {}).get("holdout") or {}
    columns = (holdout.get(name, []) for name in ("sample_ids", "label", "predicted"))
    return {key: (label, predicted) for key, label, predicted in zip(*columns, strict=True)}


def _shared(
    older: Mapping[int, tuple[float, float]], newer: Mapping[int, tuple[float, float]]
) -> list[tuple[float, float, float]]:
    """(label, prediction of the older, of the newer) of the samples that both were measured on."""
    return [(newer[key][0], older[key][1], newer[key][1]) for key in sorted(older.keys() & newer.keys())]


def _rmse(pairs: Sequence[tuple[float, float]]) -> float:
    return math.sqrt(math.fsum((label - predicted) ** 2 for label, predicted in pairs) / len(pairs))


def sentence(gate: Gate, unit: str) -> str:
    """The judgement for people."""
    limit = f"{100 * TOLERANCE:.0f} %"
    if gate.outcome is GateOutcome.FIRST or gate.present is None:
        return "No surrogate serves yet: this one may."
    if gate.outcome is GateOutcome.NOT_MEASURED:
        return (
            f"Not compared: it shares {gate.shared_samples} holdout samples with the present surrogate "
            f"{gate.present.id}, and {LEAST_SHARED} are needed."
        )
    verdict = "Worse" if gate.outcome is GateOutcome.WORSE else "Not worse"
    return (
        f"{verdict}: RMSE {gate.rmse:.3f} {unit} against {gate.present_rmse:.3f} {unit} of the present surrogate "
        f"{gate.present.id} on {gate.shared_samples} shared holdout samples; up to {limit} more is tolerated."
    )


def read_gate(gate: Gate, unit: str) -> GateRead:
    present_id = gate.present.id if gate.present else None
    return GateRead(
        surrogate_id=gate.surrogate.id,
        present_surrogate_id=present_id,
        outcome=gate.outcome,
        sentence=sentence(gate, unit),
        **gate.comparison,
    )


def promote_automatically(session: Session, campaign: Campaign, surrogate: Surrogate) -> Gate:
    """Let a newly trained surrogate serve unless it is measurably worse; either is written down."""
    campaigns_repository.lock(session, campaign.id)
    gate = judge(session, campaign, surrogate)
    text = sentence(gate, campaign.target["unit"])
    if gate.outcome is GateOutcome.WORSE:
        _record(session, gate, "hold_back", AUTOMATIC, text)
    else:
        _promote(session, gate, gate.outcome, AUTOMATIC, text)
    return gate


def promote(
    session: Session, campaign: Campaign, surrogate: Surrogate, request: PromotionRequest, *, actor: str
) -> SurrogatePromotion:
    """Let a surrogate serve.

    Raises:
        ConflictError: if it serves already, retention has deleted its network, or the gate holds it back and the
            request overrides it not.
    """
    campaigns_repository.lock(session, campaign.id)
    if not repository.has_artefact(session, surrogate.id):
        message = f"The network of surrogate {surrogate.id} was old and unused, and has been deleted."
        raise ConflictError(message, hint="Request a valuation run with its seed.")
    gate = judge(session, campaign, surrogate)
    if gate.outcome in PASSES:
        return _promote(session, gate, gate.outcome, actor, request.reason)
    if not request.override:
        hint = "Send `override: true` with a reason to let it serve all the same; the history names you."
        raise ConflictError(sentence(gate, campaign.target["unit"]), hint=hint)
    return _promote(session, gate, GateOutcome.OVERRIDDEN, actor, request.reason)


def _promote(
    session: Session, gate: Gate, outcome: GateOutcome, actor: str, reason: str
) -> SurrogatePromotion:
    row = SurrogatePromotion(
        campaign_id=gate.surrogate.campaign_id,
        surrogate_id=gate.surrogate.id,
        replaced_surrogate_id=gate.present.id if gate.present else None,
        outcome=outcome,
        comparison=gate.comparison,
        actor=actor,
        reason=reason,
    )
    repository.add_promotion(session, row)
    _record(session, gate, "promote", actor, reason)
    return row


def _record(session: Session, gate: Gate, action: str, actor: str, reason: str) -> None:
    before = {"serving": gate.present.id if gate.present else None}
    after = {"outcome": gate.outcome, "reason": reason, **gate.comparison}
    surrogate = gate.surrogate
    audit.record(
        session, actor, action, "surrogate", surrogate.id, campaign_id=surrogate.campaign_id, before=before, after=after
    )  # fmt: skip


def surrogate_of_run(session: Session, run_id: int) -> Surrogate:
    """The surrogate that a run trained.

    Raises:
        NotFoundError: if there is none.
    """
    surrogate = repository.surrogate_of_run(session, run_id)
    if surrogate is None:
        message = f"Valuation run {run_id} has trained no surrogate."
        raise NotFoundError(message, hint="Only a succeeded run has one.")
    return surrogate


def page(
    session: Session, campaign: Campaign, request: PageRequest
) -> tuple[Sequence[SurrogatePromotion], bool]:
    return cut_page(repository.promotions_page(session, campaign.id, request), request.limit)


def newest(session: Session, campaign: Campaign, *, limit: int) -> Sequence[SurrogatePromotion]:
    """The last changes of what serves, newest first."""
    return repository.newest_promotions(session, campaign.id, limit)
