"""Who waits sees a bar; who does not, or is no person, sees nothing."""

import io

import pytest
from rich.console import Console

from worker.commands import progress


def shown(*, terminal, after_s, monkeypatch):
    monkeypatch.setattr(progress, "SHOW_AFTER_S", after_s)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    with progress.patient_progress(console, "lossval values") as report:
        report(0.25, "epoch 5 of 20")
        report(0.5, "epoch 10 of 20")
    return screen.getvalue()


def test_a_bar_with_message_appears_on_a_terminal_after_a_while(monkeypatch):
    screen = shown(terminal=True, after_s=-1.0, monkeypatch=monkeypatch)
    assert "lossval values" in screen
    assert "50%" in screen
    assert "epoch 10 of 20" in screen


@pytest.mark.parametrize(("terminal", "after_s"), [(True, 60.0), (False, -1.0)])
def test_nothing_for_quick_work_and_in_a_pipe(monkeypatch, terminal, after_s):
    assert shown(terminal=terminal, after_s=after_s, monkeypatch=monkeypatch) == ""


def test_the_bar_is_wiped_away_when_the_work_is_interrupted(monkeypatch):
    monkeypatch.setattr(progress, "SHOW_AFTER_S", -1.0)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)

    def work():
        with progress.patient_progress(console, "values") as report:
            report(0.1, "")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert screen.getvalue().endswith("\x1b[2K")
