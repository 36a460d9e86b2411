"""What `auto` concludes from a report, and the sentence that surfaces show."""

from __future__ import annotations

import pytest

from worker.acquisition.backtest import BacktestReport, StrategyResult
from worker.acquisition.evidence import (
    DEFAULT_PRIOR,
    Verdict,
    choose_strategy,
    evidence_of,
    evidence_without_backtest,
)
from worker.acquisition.strategies import strategy_named


def result(strategy, verdict, log_ratio=-0.2, *, learns=True):
    return StrategyResult(strategy, verdict, log_ratio, (log_ratio - 0.1, log_ratio + 0.1), learns=learns)


def report(*results, reason=""):
    return BacktestReport(tuple(results), (), reason, 240, 48.0, 60, 0 if reason else 10, 0.95, {})


def chosen(*results):
    return choose_strategy(report(*results), labelled=240).strategy


PRIOR = DEFAULT_PRIOR


def test_the_prior_is_a_strategy():
    assert strategy_named(DEFAULT_PRIOR).name == DEFAULT_PRIOR


class TestAuto:
    def test_the_best_of_the_better_ones(self):
        better = [result("lcmd", Verdict.BETTER, -0.3), result("bait", Verdict.BETTER, -0.4)]
        assert chosen(*better, result("space_filling", Verdict.NOT_BETTER, -0.5)) == "bait"

    def test_the_prior_wins_a_tie(self):
        assert chosen(result("lcmd", Verdict.BETTER, -0.31), result(PRIOR, Verdict.BETTER, -0.30)) == PRIOR
        assert chosen(result("lcmd", Verdict.BETTER, -0.34), result(PRIOR, Verdict.BETTER, -0.30)) == "lcmd"

    def test_the_order_of_the_past_cannot_be_followed(self):
        assert chosen(result("as_bought", Verdict.BETTER, -0.9), result(PRIOR, Verdict.NOT_BETTER)) == PRIOR

    def test_without_a_better_one_the_prior(self):
        assert chosen(result("lcmd", Verdict.NOT_BETTER), result(PRIOR, Verdict.NOT_BETTER)) == PRIOR
        assert chosen(result("lcmd", Verdict.NOT_BETTER)) == PRIOR
        assert choose_strategy(None, labelled=30).strategy == PRIOR

    def test_never_a_worse_one(self):
        assert chosen(result(PRIOR, Verdict.WORSE, 0.2), result("lcmd", Verdict.NOT_BETTER)) == "random"
        evidence = choose_strategy(report(result(PRIOR, Verdict.WORSE, 0.2)), labelled=240)
        assert "random picks: the backtest found" in evidence.sentence

    def test_another_prior_can_be_set(self):
        assert choose_strategy(None, labelled=30, prior="lcmd").strategy == "lcmd"


class TestSentence:
    def test_it_has_figures_and_interval(self):
        evidence = evidence_of(report(result(PRIOR, Verdict.BETTER)), PRIOR, labelled=240)
        assert evidence.sentence.startswith(
            "Better than random picks in a backtest on this campaign's own data."
        )
        figures = "RMSE −18 % against random picks (95 % interval −26 % to −10 %, 10 repeats on 240 labelled samples)"
        assert figures in evidence.sentence
        assert (evidence.log_ratio, evidence.repeats, evidence.labelled) == (-0.2, 10, 240)
        assert evidence.to_document()["interval"] == pytest.approx([-0.3, -0.1])
        assert evidence.to_document()["verdict"] == "better"

    def test_it_says_when_nothing_was_learnt(self):
        evidence = evidence_of(report(result(PRIOR, Verdict.NOT_BETTER, learns=False)), PRIOR, labelled=240)
        assert "does not predict better than the mean of the labels" in evidence.sentence

    def test_it_says_what_is_needed(self):
        few = report(StrategyResult(PRIOR, Verdict.NOT_ENOUGH_DATA), reason="Label 4 more.")
        evidence = choose_strategy(few, labelled=40)
        assert evidence.verdict is Verdict.NOT_ENOUGH_DATA
        assert "Label 4 more. The strategy auto takes" in evidence.sentence
        assert evidence.interval is None

    def test_a_strategy_that_did_not_take_part_has_no_evidence(self):
        evidence = evidence_of(report(result(PRIOR, Verdict.BETTER)), "lcmd", labelled=240)
        assert (evidence.verdict, evidence.log_ratio) == (Verdict.NOT_ENOUGH_DATA, None)
        assert "did not compare lcmd" in evidence.sentence

    def test_random_picks_are_the_yardstick(self):
        for newest in (None, report(result(PRIOR, Verdict.WORSE, 0.2))):
            evidence = evidence_of(newest, "random", labelled=240)
            assert (evidence.verdict, evidence.strategy) == (Verdict.NOT_BETTER, "random")
            assert "compared with" in evidence.sentence

    def test_without_a_backtest(self):
        assert evidence_of(None, "lcmd", labelled=31) == evidence_without_backtest(31, "lcmd")
        assert "31 labelled" in evidence_without_backtest(31).sentence
