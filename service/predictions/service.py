"""Rules of predictions: the surrogate that serves, read once, answers in the web process without torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from service.acquisitions import service as acquisitions
from service.campaigns.schemas import Feature
from service.database.models import Campaign, Surrogate
from service.errors import ConflictError, FieldError, InputError, json_pointer
from service.predictions import repository
from service.predictions.network import StoredSurrogate
from service.predictions.schemas import MOST_DESIGNS, PredictionRead, PredictionResult, PredictionSettings
from service.predictions.support import Support
from service.samples.designs import check_designs, read_designs
from service.valuations import repository as valuations

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_CACHED = 16
SOURCE = "source"


@dataclass(frozen=True)
class Predictor:
    """A surrogate that is ready to answer, with the designs that it learned from."""

    surrogate_id: int
    artefact_sha256: str
    network: StoredSurrogate
    support: Support
    source_is_feature: bool

    def row(self, features: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        return {**features, SOURCE: source} if self.source_is_feature else features

    def predict(self, designs: Sequence[tuple[Mapping[str, Any], str]]) -> list[dict[str, Any]]:
        """What is expected of designs with their sources; the fields of `PredictionRead` without their names."""
        found = self.network.predict([self.row(features, source) for features, source in designs])
        outside = self.support.judge(found.encoded)
        columns = {
            "predicted": found.mean.tolist(),
            "predicted_std": found.std.tolist(),
            "interval_90": _intervals(found.mean, found.half_width),
            "outside_support": outside.is_outside.tolist(),
            "support_ratio": outside.ratio.tolist(),
            "outside_features": outside.features,
        }
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _intervals(mean: Any, half_width: Any) -> list[tuple[float, float] | None]:  # noqa: ANN401 - arrays
    if half_width is None:
        return [None] * len(mean)
    return list(zip((mean - half_width).tolist(), (mean + half_width).tolist(), strict=True))


class Predictors:
    """The predictors that were used last, at most `MOST_CACHED`, by the hash of their artefact."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], Predictor] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, str]) -> Predictor | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: tuple[int, str], predictor: Predictor) -> None:
        with self._lock:
            self._kept[key] = predictor
            while len(self._kept) > MOST_CACHED:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


def predictor_of(
    session: Session, campaign: Campaign, surrogate_id: int | None, cached: Predictors
) -> Predictor:
    """The named surrogate of the campaign, else the newest.

    Raises:
        ConflictError: if there is none yet, its network is gone, or it was trained for another feature schema.
        NotFoundError: if it is not one of this campaign.
    """
    surrogate = acquisitions.surrogate_for(session, campaign, surrogate_id)
    key = (surrogate.id, surrogate.artefact_sha256)
    predictor = cached.get(key) or _load(session, campaign, surrogate)
    _require_schema(campaign, predictor)
    cached.keep(key, predictor)
    return predictor


def _load(session: Session, campaign: Campaign, surrogate: Surrogate) -> Predictor:
    row = valuations.get_surrogate(session, surrogate.id, with_artefact=True)
    if row is None or row.artefact is None:
        raise ConflictError(f"Surrogate {surrogate.id} is gone.", hint="Request a valuation run.")
    network = StoredSurrogate.from_bytes(row.artefact)
    own = {feature["name"] for feature in campaign.feature_schema}
    joined = any(name == SOURCE for name, _, _ in network.encoder.features) and SOURCE not in own
    designs = repository.trained_on(session, surrogate.valuation_run_id)
    if not designs:
        message = f"What surrogate {surrogate.id} learned from is not known any more."
        raise ConflictError(message, hint="Request a valuation run.")
    rows = [{**features, SOURCE: source} if joined else features for features, source in designs]
    support = Support.of(network.encoder.transform(rows), network.encoder.columns)
    return Predictor(surrogate.id, surrogate.artefact_sha256, network, support, joined)


def _require_schema(campaign: Campaign, predictor: Predictor) -> None:
    declared = [Feature.model_validate(feature) for feature in campaign.feature_schema]
    wanted = [(one.name, one.kind.value, tuple(one.categories or ())) for one in declared]
    if predictor.network.encoder.features[: len(wanted)] != wanted:
        message = "The surrogate was trained for another feature schema."
        raise ConflictError(message, hint="Request a valuation run.")


def predict(
    session: Session, campaign: Campaign, content: bytes, content_type: str, cached: Predictors
) -> PredictionResult:
    """Predictions for the designs of a body, in their order.

    Raises:
        InputError, TooLargeError: naming what is wrong with the body.
        ConflictError, NotFoundError: as `predictor_of`.
    """
    rows, document = read_designs(campaign, content, content_type, most=MOST_DESIGNS)
    settings = _settings(document)
    predictor = predictor_of(session, campaign, settings.surrogate_id, cached)
    designs = check_designs(campaign, rows)
    found = predictor.predict([(design.features, design.source) for design in designs])
    predictions = [
        PredictionRead(index=index, external_id=design.external_id, **columns)
        for index, (design, columns) in enumerate(zip(designs, found, strict=True))
    ]
    return PredictionResult(
        campaign_id=campaign.id,
        surrogate_id=predictor.surrogate_id,
        artefact_sha256=predictor.artefact_sha256,
        target_unit=campaign.target["unit"],
        predictions=predictions,
    )


def _settings(document: Mapping[str, Any]) -> PredictionSettings:
    try:
        return PredictionSettings.model_validate(document)
    except ValidationError as error:
        errors = [
            FieldError(json_pointer(item["loc"]), item["msg"])
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InputError("The request does not fit.", errors=errors) from error
