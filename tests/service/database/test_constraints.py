"""What the database refuses, whoever writes to it."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

NOT_FINITE = [float("nan"), float("inf"), float("-inf")]
RUN_TABLES = [
    "valuation_runs",
    "acquisition_rounds",
    "import_runs",
    "backtests",
    "replays",
    "simulation_runs",
]


def refused(kind: type[Exception], constraint: str) -> Any:
    return pytest.raises(kind, match=constraint)


@pytest.mark.parametrize("status", ["proposed", "approved", "ordered", "running"])
def test_a_sample_has_one_open_recommendation(store: Any, status: str) -> None:
    sample_id = store.sample()
    store.recommend(sample_id, status=status)
    other = store.insert("acquisition_rounds", campaign_id=store.campaign_id, surrogate_id=store.surrogate_id)
    with refused(UniqueViolation, "uq_recommendations_open_sample"):
        store.recommend(sample_id, round_id=other)


@pytest.mark.parametrize("status", ["rejected", "completed", "failed", "abandoned", "expired"])
def test_an_ended_recommendation_leaves_room_for_another(store: Any, status: str) -> None:
    sample_id = store.sample()
    store.recommend(sample_id, status=status)
    other = store.insert("acquisition_rounds", campaign_id=store.campaign_id, surrogate_id=store.surrogate_id)
    assert store.recommend(sample_id, round_id=other)


@pytest.mark.parametrize("split", ["validation", "holdout"])
def test_only_samples_in_train_are_recommended(store: Any, split: str) -> None:
    sample_id = store.labelled(split=split)
    with refused(CheckViolation, "only_from_pool"):
        store.recommend(sample_id, sample_split=split)
    with refused(ForeignKeyViolation, "fk_recommendations_sample"):
        store.recommend(sample_id, sample_split="train")


@pytest.mark.parametrize("split", ["validation", "holdout"])
def test_a_recommended_sample_stays_in_train(store: Any, split: str) -> None:
    sample_id = store.labelled()
    store.recommend(sample_id)
    with refused(CheckViolation, "only_from_pool"):
        store.execute("UPDATE samples SET split = %s WHERE id = %s", split, sample_id)


def test_a_candidate_cannot_stand_in_the_holdout(store: Any) -> None:
    with refused(CheckViolation, "holdout_not_acquirable"):
        store.sample(split="holdout")


def test_labelled_means_that_there_is_a_target(store: Any) -> None:
    with refused(CheckViolation, "labelled_has_target"):
        store.sample(status="labelled")
    with refused(CheckViolation, "labelled_has_target"):
        store.sample(target=26.0, label_definition="rolc/1")


def test_a_label_has_its_definition(store: Any) -> None:
    with refused(CheckViolation, "label_has_definition"):
        store.labelled(label_definition=None)


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_target_is_finite(store: Any, number: float) -> None:
    with refused(CheckViolation, "target_finite"):
        store.labelled(target=number)


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("column", ["value", "weight", "spread"])
def test_a_data_value_is_finite(store: Any, column: str, number: float) -> None:
    with refused(CheckViolation, f"{column}_finite"):
        store.value(**{column: number})


@pytest.mark.parametrize("column", ["weight", "spread"])
def test_weight_and_spread_are_not_negative(store: Any, column: str) -> None:
    with refused(CheckViolation, f"{column}_finite"):
        store.value(**{column: -0.1})


def test_ranks_of_a_run_are_distinct(store: Any) -> None:
    store.value(rank=1)
    with refused(UniqueViolation, "uq_data_values_valuation_run_id_rank"):
        store.value(rank=1)


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_score_is_finite(store: Any, number: float) -> None:
    with refused(CheckViolation, "score_finite"):
        store.recommend(store.sample(), score=number)


def test_a_source_is_priced_in_the_currency_of_its_campaign(store: Any) -> None:
    with refused(ForeignKeyViolation, "currency_campaigns"):
        store.insert("sources", campaign_id=store.campaign_id, name="eur", currency="EUR")


def test_a_recommendation_is_priced_in_the_currency_of_its_campaign(store: Any) -> None:
    with refused(ForeignKeyViolation, "currency_campaigns"):
        store.recommend(store.sample(), currency="EUR")


@pytest.mark.parametrize(
    ("table", "columns", "constraint"),
    [
        ("campaigns", {"currency": "usd"}, "currency_iso_4217"),
        ("campaigns", {"budget": -1}, "budget_not_negative"),
        ("campaigns", {"feature_schema": Jsonb([])}, "feature_schema_not_empty"),
        ("sources", {"kind": "oracle"}, "ck_sources_kind"),
        ("sources", {"acquisition_cost": 0}, "acquisition_cost_positive"),
        ("sources", {"capacity": 0}, "capacity_positive"),
        ("sources", {"lead_time_hours": -1}, "lead_time_not_negative"),
        ("sources", {"oracle": "occupant_model"}, "oracle_needs_simulation"),
        ("sources", {"kind": "simulation", "oracle": "magic"}, "ck_sources_oracle"),
        ("sources", {"kind": "simulation", "oracle": "command"}, "command_has_settings"),
        ("sources", {"kind": "simulation", "oracle_settings": Jsonb({})}, "command_has_settings"),
        ("samples", {"status": "unknown"}, "ck_samples_status"),
        ("samples", {"split": "test"}, "ck_samples_split"),
        ("recommendations", {"status": "done"}, "ck_recommendations_status"),
        ("recommendations", {"arm": "left"}, "ck_recommendations_arm"),
        ("recommendations", {"rank": 0}, "rank_positive"),
        ("recommendations", {"acquisition_cost": 0}, "acquisition_cost_positive"),
        ("recommendations", {"arm": "control"}, "control_is_drawn"),
        ("recommendations", {"selection_probability": 1.5}, "selection_probability_is_probability"),
        ("data_values", {"rank": 0}, "rank_positive"),
    ],
)
def test_a_word_or_number_outside_its_range_is_refused(
    store: Any, table: str, columns: dict[str, Any], constraint: str
) -> None:
    place: dict[str, dict[str, Any]] = {
        "campaigns": {},
        "sources": {"campaign_id": store.campaign_id, "name": "other"},
        "samples": {"campaign_id": store.campaign_id, "source_id": store.source_id},
        "recommendations": {"campaign_id": store.campaign_id, "round_id": store.round_id},
        "data_values": {"valuation_run_id": store.run_id},
    }
    if table in {"recommendations", "data_values"}:
        place[table]["sample_id"] = store.labelled()
    with refused(CheckViolation, constraint):
        store.insert(table, **place[table] | columns)


@pytest.mark.parametrize("table", RUN_TABLES)
@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "failed"}, "failed_has_reason"),
        ({"status": "queued", "error_message": "why"}, "failed_has_reason"),
        ({"status": "succeeded"}, "succeeded_has_snapshot"),
        ({"status": "sleeping"}, "_status"),
        ({"progress": 1.1}, "progress_is_share"),
        ({"progress": -0.1}, "progress_is_share"),
    ],
)
def test_a_run_tells_how_it_ended(store: Any, table: str, columns: dict[str, Any], constraint: str) -> None:
    place = {"campaign_id": store.campaign_id}
    if table == "acquisition_rounds":
        place["surrogate_id"] = store.surrogate_id
    if table == "replays":
        place["round_id"] = store.round_id
    if table == "simulation_runs":
        place["recommendation_id"] = store.recommend(store.sample())
    with refused(CheckViolation, constraint):
        store.insert(table, **place, **columns)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_recommendation_has_one_open_simulation(store: Any, status: str) -> None:
    place = {"campaign_id": store.campaign_id, "recommendation_id": store.recommend(store.sample())}
    store.insert("simulation_runs", **place, status="failed", error_message="it diverged")
    store.insert("simulation_runs", **place, status=status)
    with refused(UniqueViolation, "uq_simulation_runs_open"):
        store.insert("simulation_runs", **place)


def test_nothing_refers_across_campaigns(store: Any) -> None:
    other = {"campaign_id": store.insert("campaigns")}
    foreign_source = store.insert("sources", **other)
    with refused(ForeignKeyViolation, "fk_samples"):
        store.sample(source_id=foreign_source)
    run_id = store.insert("valuation_runs", campaign_id=store.campaign_id)
    with refused(ForeignKeyViolation, "fk_surrogates"):
        store.insert("surrogates", **other, valuation_run_id=run_id)
    with refused(ForeignKeyViolation, "fk_acquisition_rounds"):
        store.insert("acquisition_rounds", **other, surrogate_id=store.surrogate_id)
    with refused(ForeignKeyViolation, "fk_recommendations"):
        store.recommend(store.sample(), **other)
    backtest_id = store.insert("backtests", **other)
    with refused(ForeignKeyViolation, "fk_acquisition_rounds_backtest"):
        store.insert(
            "acquisition_rounds",
            campaign_id=store.campaign_id,
            surrogate_id=store.surrogate_id,
            backtest_id=backtest_id,
        )
    with refused(ForeignKeyViolation, "fk_replays_round"):
        store.insert("replays", **other, round_id=store.round_id)
    with refused(ForeignKeyViolation, "fk_samples_repeated"):
        store.sample(**other, source_id=foreign_source, repeats_sample_id=store.labelled())


def test_external_ids_are_unique_within_a_campaign_only(store: Any) -> None:
    store.sample(external_id="T-1")
    with refused(UniqueViolation, "uq_samples_campaign_id_external_id"):
        store.sample(external_id="T-1")
    other = store.insert("campaigns")
    source_id = store.insert("sources", campaign_id=other)
    assert store.insert("samples", campaign_id=other, source_id=source_id, external_id="T-1")


def test_a_run_trains_one_surrogate(store: Any) -> None:
    with refused(UniqueViolation, "uq_surrogates_valuation_run_id"):
        store.insert("surrogates", campaign_id=store.campaign_id, valuation_run_id=store.run_id)


@pytest.mark.parametrize("status", ["queued", "running", "parsed", "accepted"])
def test_a_campaign_has_the_same_file_once(store: Any, status: str) -> None:
    store.insert("uploads", campaign_id=store.campaign_id, status=status, report=Jsonb({}))
    with refused(UniqueViolation, "uq_uploads_live_content"):
        store.insert("uploads", campaign_id=store.campaign_id)


@pytest.mark.parametrize("columns", [{"status": "rejected"}, {"status": "failed", "error_message": "x"}])
def test_a_file_that_came_to_nothing_may_come_again(store: Any, columns: dict[str, Any]) -> None:
    store.insert("uploads", campaign_id=store.campaign_id, **columns)
    assert store.insert("uploads", campaign_id=store.campaign_id)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "failed"}, "failed_has_reason"),
        ({"status": "parsed"}, "read_has_report"),
        ({"status": "accepted"}, "read_has_report"),
        ({"status": "parsed", "report": Jsonb({}), "sample_ids": Jsonb({})}, "only_accepted_has_samples"),
        ({"status": "lost"}, "status"),
    ],
)
def test_an_upload_tells_how_far_it_is(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        store.insert("uploads", campaign_id=store.campaign_id, **columns)


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("column", ["score", "information", "relevance", "predicted", "predicted_std"])
def test_a_ranked_candidate_has_finite_numbers(store: Any, column: str, number: float) -> None:
    with refused(CheckViolation, f"{column}_finite"):
        store.rank(**{column: number})


def test_a_rank_is_given_once_in_a_round_and_counts_from_one(store: Any) -> None:
    store.rank(rank=1)
    with refused(UniqueViolation, "pk_ranked_candidates"):
        store.rank(rank=1)
    with refused(CheckViolation, "rank_positive"):
        store.rank(rank=0)


def test_a_ranked_candidate_is_a_sample_in_a_round(store: Any) -> None:
    with refused(ForeignKeyViolation, "sample_id"):
        store.rank(sample_id=10**9)
    with refused(ForeignKeyViolation, "round_id"):
        store.rank(round_id=10**9)


def test_a_run_succeeds_once(store: Any) -> None:
    for outcome in ("lost", "late", "lost", "late", "succeeded"):
        store.insert("run_attempts", outcome=outcome)
    with refused(UniqueViolation, "uq_run_attempts_success"):
        store.insert("run_attempts", outcome="succeeded", attempt=2)
    store.insert("run_attempts", outcome="succeeded", run_kind="import_runs")


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"outcome": "asleep"}, "_outcome"),
        ({"metrics": Jsonb({})}, "only_late_keeps_result"),
        ({"artefact_sha256": "f" * 64}, "only_late_keeps_result"),
    ],
)
def test_an_attempt_tells_how_it_ended(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        store.insert("run_attempts", **columns)


def test_a_repetition_stands_in_the_split_of_what_it_repeats(store: Any) -> None:
    labelled = store.labelled()
    with refused(ForeignKeyViolation, "fk_samples_repeated"):
        store.sample(repeats_sample_id=labelled, split="validation")
    assert store.sample(repeats_sample_id=labelled)


def test_a_sample_does_not_repeat_itself(store: Any) -> None:
    sample_id = store.labelled()
    with refused(CheckViolation, "repeats_another"):
        store.execute("UPDATE samples SET repeats_sample_id = id WHERE id = %s", sample_id)


def test_a_sample_has_one_repetition_to_come(store: Any) -> None:
    labelled = store.labelled()
    first = store.sample(repeats_sample_id=labelled)
    with refused(UniqueViolation, "uq_samples_candidate_repetition"):
        store.sample(repeats_sample_id=labelled)
    store.execute("UPDATE samples SET status = 'abandoned' WHERE id = %s", first)
    assert store.labelled(repeats_sample_id=labelled)


def test_a_person_may_inject_a_pick(store: Any) -> None:
    assert store.recommend(store.sample(), arm="injected")


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [({"rank": 0}, "rank_positive"), ({"score": NOT_FINITE[0]}, "score_finite"), ({"arm": "best"}, "arm")],
)
def test_a_previewed_pick_is_a_line_of_a_batch(store: Any, columns: dict[str, Any], constraint: str) -> None:
    place = {"round_id": store.round_id, "sample_id": store.sample()}
    store.insert("previewed_picks", **place)
    with refused(CheckViolation, constraint):
        store.insert("previewed_picks", **place, **({"rank": 2} | columns))


def test_one_veto_of_a_sample_stands_at_a_time(store: Any) -> None:
    place = {"campaign_id": store.campaign_id, "sample_id": store.sample()}
    store.insert("sample_vetoes", **place, created_at="2027-01-01Z", lifted_at="2027-01-02Z")
    store.insert("sample_vetoes", **place)
    with refused(UniqueViolation, "uq_sample_vetoes_standing"):
        store.insert("sample_vetoes", **place)


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"reason": ""}, "has_reason"),
        ({"created_at": "2027-01-02Z", "lifted_at": "2027-01-01Z"}, "lifted_later"),
    ],
)
def test_a_veto_has_a_reason_and_an_order(store: Any, columns: dict[str, Any], constraint: str) -> None:
    with refused(CheckViolation, constraint):
        store.insert("sample_vetoes", campaign_id=store.campaign_id, sample_id=store.sample(), **columns)
