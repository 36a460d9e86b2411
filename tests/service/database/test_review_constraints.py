"""Decisions about suspicious tests and promotions of surrogates: what the database refuses, whoever writes."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, RestrictViolation

from tests.service.database.test_constraints import refused


def promote(store: Any, **columns: Any) -> int:
    place = {"campaign_id": store.campaign_id, "surrogate_id": store.surrogate_id}
    return store.insert("surrogate_promotions", **place | columns)


def another_surrogate(store: Any) -> int:
    run_id = store.insert("valuation_runs", campaign_id=store.campaign_id)
    return store.insert("surrogates", campaign_id=store.campaign_id, valuation_run_id=run_id)


def review(store: Any, **columns: Any) -> int:
    place = {
        "campaign_id": store.campaign_id,
        "valuation_run_id": store.run_id,
        "sample_id": store.labelled(),
    }
    return store.insert("reviews", **place | columns)


def test_an_override_has_a_reason(store: Any) -> None:
    with refused(CheckViolation, "override_has_reason"):
        promote(store, outcome="overridden", replaced_surrogate_id=another_surrogate(store))
    assert promote(
        store, outcome="overridden", replaced_surrogate_id=another_surrogate(store), reason="seen the plots"
    )


def test_what_is_worse_never_serves(store: Any) -> None:
    with refused(CheckViolation, "worse_does_not_serve"):
        promote(store, outcome="worse", replaced_surrogate_id=another_surrogate(store))


def test_a_surrogate_does_not_replace_itself(store: Any) -> None:
    with refused(CheckViolation, "replaces_another"):
        promote(store, outcome="not_worse", replaced_surrogate_id=store.surrogate_id)


@pytest.mark.parametrize("outcome", ["not_worse", "not_measured"])
def test_only_the_first_replaces_none(store: Any, outcome: str) -> None:
    with refused(CheckViolation, "only_first_replaces_none"):
        promote(store, outcome=outcome)


def test_a_surrogate_serves_its_own_campaign_only(store: Any) -> None:
    other = store.insert("campaigns")
    with refused(ForeignKeyViolation, "fk_surrogate_promotions_surrogate_id"):
        promote(store, campaign_id=other)


def test_a_decision_has_a_reason(store: Any) -> None:
    with refused(CheckViolation, "ck_reviews_has_reason"):
        review(store, reason="")


def test_only_a_retest_names_a_repetition(store: Any) -> None:
    with refused(CheckViolation, "only_retested_has_retest"):
        review(store, retest_sample_id=store.sample())
    with refused(CheckViolation, "only_retested_has_retest"):
        review(store, decision="retested")
    assert review(store, decision="retested", retest_sample_id=store.sample())


def test_a_test_is_not_its_own_repetition(store: Any) -> None:
    sample_id = store.labelled()
    with refused(CheckViolation, "retests_another"):
        review(store, decision="retested", sample_id=sample_id, retest_sample_id=sample_id)


def test_the_evidence_is_of_the_same_campaign(store: Any) -> None:
    other = store.insert("campaigns")
    with refused(ForeignKeyViolation, "fk_reviews_valuation_run_id"):
        review(store, campaign_id=other)


@pytest.mark.parametrize("table", ["reviews", "surrogate_promotions"])
def test_decisions_are_never_changed(store: Any, table: str) -> None:
    row_id = review(store) if table == "reviews" else promote(store)
    with pytest.raises(RestrictViolation):
        store.execute(f"UPDATE {table} SET actor = 'another' WHERE id = %s", row_id)
