"""What a campaign looks like from outside: feature schema, target, target domain, sources."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from service.campaigns.flags import refuse_mixed_up
from service.campaigns.leaks import known_after_test
from service.campaigns.oracles import CommandOracle
from service.errors import InputError
from service.vocabulary import FeatureKind, Oracle, SourceKind

# Deeper documents are mistakes, and cost a stack frame per level wherever they are read.
DEEPEST_DOCUMENT = 32
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: Any, levels: int = DEEPEST_DOCUMENT) -> Any:  # noqa: ANN401 - any JSON value
    """Refuse what Postgres cannot hold in text and JSON: NUL, half characters, NaN, endless nesting."""
    if levels == 0:
        raise ValueError(f"is nested deeper than {DEEPEST_DOCUMENT} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("contains a number that is not finite: give null instead")
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise ValueError("contains a NUL or half a surrogate pair: remove it")
    children = [*value, *value.values()] if isinstance(value, dict) else value
    for child in children if isinstance(children, list) else ():
        storable(child, levels - 1)
    return value


STORABLE = AfterValidator(storable)
# Why somebody did something.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), STORABLE]
RowId = Annotated[int, Field(ge=1, lt=2**63)]
Text = Annotated[str, STORABLE]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# Columns of a table that are not features.
RESERVED_NAMES = frozenset(
    {"external_id", "source", "split", "group", "target", "label_definition", "provenance", "row", "id"}
)


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _check_bounds(name: str, minimum: float | None, maximum: float | None) -> None:
    if minimum is not None and maximum is not None and minimum >= maximum:
        raise ValueError(f"'{name}': minimum must be below maximum")


class Strict(BaseModel):
    """A request body: a misspelt field is an error, never ignored, and `true` is no 1."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _tell_flags_and_numbers_apart(cls, value: Any) -> Any:  # noqa: ANN401 - what came in
        refuse_mixed_up(cls, value)
        return value


class Feature(Strict):
    """One input of the surrogate, known before the test."""

    name: Name = Field(description="With its unit, for example `test_mass_kg`.")
    unit: Text = Field("1", max_length=32, description="`1` when it has none.")
    kind: FeatureKind = FeatureKind.CONTINUOUS
    minimum: Finite | None = None
    maximum: Finite | None = None
    categories: list[Label] | None = Field(None, max_length=500)
    required: bool = Field(
        default=True, description="False: a missing value is allowed and encoded as missing."
    )
    known_before_test: bool = Field(default=True, description="Only such features may predict a test.")
    load_case: bool = Field(
        default=False,
        description="Its categories are the load cases: the surrogate's errors are also given for each. "
        "One categorical feature at most.",
    )
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="How far a test may be from its plan, in the unit; null: not judged."
    )
    description: Text = Field("", max_length=1000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name in RESERVED_NAMES:
            raise ValueError(f"'{self.name}' is a reserved column name: choose another")
        if not self.known_before_test:
            raise ValueError(
                f"'{self.name}' is only known after the test: it would leak the result; remove it"
            )
        _check_bounds(self.name, self.minimum, self.maximum)
        if not self.is_number and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"'{self.name}': only numbers have a minimum or maximum")
        if not self.is_number and self.tolerance is not None:
            raise ValueError(f"'{self.name}': only numbers have a tolerance")
        if (self.kind is FeatureKind.CATEGORICAL) != bool(self.categories):
            raise ValueError(f"'{self.name}': give `categories` for kind categorical, and only there")
        if self.load_case and self.kind is not FeatureKind.CATEGORICAL:
            raise ValueError(f"'{self.name}': only a categorical feature can be the load case")
        if self.categories and _repeated(self.categories):
            raise ValueError(f"'{self.name}': repeated categories {_repeated(self.categories)}")
        return self

    @property
    def is_number(self) -> bool:
        return self.kind in {FeatureKind.CONTINUOUS, FeatureKind.INTEGER}


class Target(Strict):
    """What the surrogate predicts."""

    name: Name = "rolc_g"
    unit: Text = Field("g", max_length=32)
    minimum: Finite | None = Field(5.0, description="A label outside the range is refused.")
    maximum: Finite | None = 80.0
    label_definition: Text = Field("rolc/1", min_length=1, max_length=64, description="Rule of the labels.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_bounds(self.name, self.minimum, self.maximum)
        return self


class Condition(Strict):
    """Bounds on one feature; all that are given must hold."""

    feature: Name
    minimum: Finite | None = None
    maximum: Finite | None = None
    categories: list[Label] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_bounds(self.feature, self.minimum, self.maximum)
        if self.minimum is None and self.maximum is None and not self.categories:
            raise ValueError(f"'{self.feature}': give minimum, maximum or categories")
        return self

    def is_met_by(self, value: Any) -> bool:  # noqa: ANN401 - any feature value
        """Whether a value of the feature keeps the bounds; a missing one never does."""
        if value is None or (self.categories is not None and value not in self.categories):
            return False
        if self.minimum is not None and not value >= self.minimum:
            return False
        return self.maximum is None or bool(value <= self.maximum)


class TargetDomain(Strict):
    """The distribution for which the surrogate must be good.

    Validation samples stand for it; with conditions, known designs that meet all of them do too.
    """

    description: Text = Field("", max_length=1000)
    conditions: list[Condition] = Field(default_factory=list)


class SourceCreate(Strict):
    """Where labels can be bought."""

    name: Name
    kind: SourceKind
    acquisition_cost: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2)]
    currency: Currency = "USD"
    lead_time_hours: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)] = Decimal(0)
    capacity: int | None = Field(None, gt=0, le=10**6, description="Most orders under way at once.")
    oracle: Oracle | None = Field(None, description="For simulations: what a worker runs itself.")
    oracle_settings: CommandOracle | None = Field(
        None, description="For the oracle `command`, and only there: the solver and how to drive it."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.oracle is not None and self.kind is not SourceKind.SIMULATION:
            raise ValueError(f"source '{self.name}': only simulations have an oracle")
        if (self.oracle is Oracle.COMMAND) != (self.oracle_settings is not None):
            raise ValueError(
                f"source '{self.name}': give `oracle_settings` for the oracle command, and only there"
            )
        if self.oracle_settings is not None:
            storable(self.oracle_settings.model_dump(mode="json"))
        return self


class SourceUpdate(Strict):
    """What is given replaces what was; recommendations that are there keep the price that they name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"acquisition_cost": "320000"}})

    acquisition_cost: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2)] | None = None
    lead_time_hours: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)] | None = None
    capacity: int | None = Field(
        None, gt=0, le=10**6, description="Most orders under way at once; null, when given: no limit."
    )


class StopRule(Strict):
    """When a campaign has reached what it can; used-up money or candidates stop it anyway."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"target_error": 2.0, "value_per_unit": "400000"}}
    )

    target_error: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="RMSE of the surrogate, in target units, that is good enough; null: never."
    )
    value_per_unit: Money | None = Field(
        None,
        description="What it is worth that the predictive standard deviation on the target domain falls by one target "
        "unit. Stop when no pick's expected gain is worth the cheapest candidate; null: not judged.",
    )


class LibraryReference(Strict):
    """A ready-made feature schema instead of a list; it is copied into the campaign, and then stays as it is."""

    library: Text = Field(
        description="For example `nhtsa_frontal/1`; GET /api/v1/feature-schemas lists them."
    )
    only: list[Name] | None = Field(None, min_length=1, max_length=500, description="Some of its features.")


def _resolve_library(value: Any) -> Any:  # noqa: ANN401 - what came in, before it is checked
    """The features that a reference to the library means; a list of features stays what it is."""
    if not isinstance(value, dict):
        return value
    from service.campaigns.feature_schemas import library_features  # it is made of `Feature`

    try:
        reference = LibraryReference.model_validate(value)
        return library_features(reference.library, reference.only)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}") from error
    except InputError as error:
        raise ValueError(str(error)) from error


def _or_reference(schema: dict[str, Any]) -> None:
    listed = {name: schema.pop(name) for name in ("type", "items", "minItems", "maxItems")}
    reference = LibraryReference.model_json_schema()
    schema["anyOf"] = [listed, reference]


FeatureList = Annotated[
    list[Feature],
    BeforeValidator(_resolve_library),
    Field(min_length=1, max_length=500, json_schema_extra=_or_reference),
]


def _refuse_leaks(names: Iterable[str]) -> None:
    """Of new campaigns only: one that is there already stays readable when the list grows."""
    for name in names:
        if leak := known_after_test(name):
            raise ValueError(
                f"'{name}' is {leak}, known only after the test: it would leak the result; remove it"
            )


class CampaignCreate(Strict):
    """A new campaign."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "Frontal 2027",
                "feature_schema": [
                    {"name": "impact_speed_kmh", "unit": "km/h", "minimum": 20, "maximum": 80},
                    {"name": "test_mass_kg", "unit": "kg", "minimum": 700, "maximum": 4000},
                ],
                "target_domain": {"conditions": [{"feature": "test_mass_kg", "minimum": 2200}]},
                "sources": [
                    {"name": "full_vehicle", "kind": "physical_test", "acquisition_cost": "300000"},
                ],
                "budget": "1500000",
            }
        },
    )

    name: Label
    description: Text = Field("", max_length=4000)
    feature_schema: FeatureList
    target: Target = Target()
    target_domain: TargetDomain = TargetDomain()
    sources: list[SourceCreate] = Field(min_length=1, max_length=50)
    currency: Currency = "USD"
    budget: Money | None = None
    stop_rule: StopRule | None = None
    four_eyes: bool = Field(
        default=False,
        description="Who asked for a round cannot approve what it proposes, and no rules approve by themselves.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        features = {feature.name: feature for feature in self.feature_schema}
        if repeated := _repeated(feature.name for feature in self.feature_schema):
            raise ValueError(f"features named twice: {', '.join(repeated)}")
        load_cases = [feature.name for feature in self.feature_schema if feature.load_case]
        if len(load_cases) > 1:
            raise ValueError(f"several load cases: {', '.join(load_cases)}; mark one feature only")
        if repeated := _repeated(source.name for source in self.sources):
            raise ValueError(f"sources named twice: {', '.join(repeated)}")
        _refuse_leaks(features)
        if self.target.name in features:
            raise ValueError(f"the target '{self.target.name}' is also a feature: it would predict itself")
        for condition in self.target_domain.conditions:
            if condition.feature not in features:
                raise ValueError(f"target_domain: unknown feature '{condition.feature}'")
            _check_condition(condition, features[condition.feature])
        for source in self.sources:
            if source.currency != self.currency:
                raise ValueError(
                    f"source '{source.name}' is priced in {source.currency}: use {self.currency}"
                )
        return self


def _check_condition(condition: Condition, feature: Feature) -> None:
    """A condition that no design can meet would leave the target domain empty without a word."""
    bounded = condition.minimum is not None or condition.maximum is not None
    if bounded and not feature.is_number:
        raise ValueError(f"target_domain: '{feature.name}' is no number: name its categories instead")
    if unknown := set(condition.categories or ()) - set(feature.categories or ()):
        raise ValueError(f"target_domain: '{feature.name}' has no category {', '.join(sorted(unknown))}")


class SourceRead(SourceCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int


class CampaignRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    feature_schema: list[Feature]
    target: Target
    target_domain: TargetDomain
    sources: list[SourceRead]
    currency: str
    budget: Decimal | None
    stop_rule: StopRule | None
    four_eyes: bool
    created_at: datetime


class FeatureSchemaRead(BaseModel):
    """A ready-made feature schema, with the source of its definitions."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    source: str
    features: list[Feature]


class CampaignSummary(BaseModel):
    """Counts and money of a campaign at one glance."""

    samples: dict[Literal["candidate", "labelled", "abandoned"], int]
    splits: dict[Literal["train", "validation", "holdout"], int]
    recommendations: dict[str, int]
    budget: Decimal | None
    spent: Decimal
    committed: Decimal
    remaining: Decimal | None
    currency: str
