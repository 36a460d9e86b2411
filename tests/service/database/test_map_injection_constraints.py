"""What the database refuses about maps and injections, whoever writes to it."""

from typing import Any

import pytest
from psycopg import sql
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def refused(kind: type[Exception], constraint: str) -> Any:
    return pytest.raises(kind, match=constraint)


def insert(store: Any, table: str, **row: Any) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
    )
    with store.connection.transaction():
        store.connection.execute(statement, list(row.values()))


def draw(store: Any, **columns: Any) -> None:
    row = {
        "round_id": store.round_id, "explained_share": 0.5, "axes": Jsonb({}), "candidates": 10,
        "candidates_shown": 5, "interval_level": 0.9,
    }  # fmt: skip
    insert(store, "pool_maps", **(row | columns))


def point(store: Any, **columns: Any) -> None:
    row = {
        "round_id": store.round_id, "sample_id": None, "role": "target", "x": 0, "y": 0, "predicted": 0,
        "predicted_std": 0, "half_width": None,
    }  # fmt: skip
    insert(store, "map_points", **(row | columns))


def injection(store: Any, **columns: Any) -> None:
    row = {
        "campaign_id": store.campaign_id, "sample_split": "train", "reason": "because",
        "actor": "test",
    }  # fmt: skip
    insert(store, "injections", **(row | columns))


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"explained_share": 1.1}, "explained_share_is_share"),
        ({"explained_share": "NaN"}, "explained_share_is_share"),
        ({"candidates_shown": 11}, "shows_a_part"),
        ({"candidates_shown": -1}, "shows_a_part"),
        ({"interval_level": 1}, "interval_level_is_share"),
    ],
)
def test_a_map_is_honest_about_itself(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        draw(store, **columns)


def test_a_round_has_one_map(store: Any) -> None:
    draw(store)
    with refused(UniqueViolation, "pk_pool_maps"):
        draw(store)


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("column", ["x", "y", "predicted", "predicted_std"])
def test_a_point_lies_somewhere(store: Any, column: str, number: str) -> None:
    draw(store)
    with refused(CheckViolation, f"ck_map_points_{column}_finite"):
        point(store, **{column: number})


def test_a_point_is_a_sample_of_a_map_or_of_the_target_domain(store: Any) -> None:
    with refused(ForeignKeyViolation, "fk_map_points_round_id_pool_maps"):
        point(store)
    draw(store)
    point(store)
    point(store)
    with refused(CheckViolation, "is_a_sample"):
        point(store, role="candidate")
    with refused(CheckViolation, "half_width_finite"):
        point(store, half_width=-1)
    sample_id = store.sample()
    point(store, role="candidate", sample_id=sample_id)
    with refused(UniqueViolation, "uq_map_points_round_id_sample_id"):
        point(store, role="pending", sample_id=sample_id)


def test_one_injection_stands_for_a_sample(store: Any) -> None:
    sample_id = store.sample()
    injection(store, sample_id=sample_id, withdrawn_at="2027-01-01T00:00Z", withdrawn_by="test")
    injection(store, sample_id=sample_id)
    with refused(UniqueViolation, "uq_injections_standing"):
        injection(store, sample_id=sample_id)


def test_only_the_pool_is_injected(store: Any) -> None:
    held_out = store.labelled(split="holdout")
    with refused(ForeignKeyViolation, "fk_injections_sample"):
        injection(store, sample_id=held_out)
    with refused(CheckViolation, "only_from_pool"):
        injection(store, sample_id=held_out, sample_split="holdout")


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"reason": ""}, "has_reason"),
        ({"withdrawn_at": "2027-01-01T00:00Z"}, "withdrawn_by_somebody"),
        ({"withdrawn_by": "test"}, "withdrawn_by_somebody"),
    ],
)
def test_an_injection_says_why_and_who(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        injection(store, sample_id=store.sample(), **columns)
