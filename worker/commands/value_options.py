"""The options of `crashscout value`, and what can be said about them before a table is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.errors import InputError
from worker.commands.machine import check_seed_and_threads
from worker.tables import check_destination

TASKS = ("regression", "classification")
# The settings that a method uses; a method that is not here trains no networks.
_SETTINGS = {"lossval": ("mode", "epochs", "ensemble"), "out_of_fold_loss": ("epochs", "ensemble")}


@dataclass(frozen=True, kw_only=True)
class ValueOptions:
    """What the user asked for; options that are None are the method's own to choose."""

    train: Path
    validation: Path
    output: Path
    target: str
    ignore: tuple[str, ...] = ()
    task: str = "regression"
    method: str = "lossval"
    mode: str | None = None
    epochs: int | None = None
    ensemble: int | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 1

    def check(self) -> None:
        """Refuse at once what no table can make right.

        Raises:
            InputError: an option outside its range, or an output that could not be written.
        """
        if self.task not in TASKS:
            raise InputError(f"--task {self.task} is unknown.", hint=f"Use {' or '.join(TASKS)}.")
        check_seed_and_threads(self.seed, self.threads)
        if self.target in self.ignore:
            raise InputError(f"--ignore names the target '{self.target}'.", hint="Name other columns.")
        check_destination(self.output, (self.train, self.validation))

    def uses(self, setting: str) -> bool:
        """Whether the method looks at `mode`, `epochs` or `ensemble`."""
        return setting in _SETTINGS.get(self.method, ())

    def notes(self) -> list[str]:
        """Options that were given and have no effect."""
        given = [name for name in _SETTINGS["lossval"] if getattr(self, name) is not None]
        return [f"{self.method} does not use --{name}." for name in given if not self.uses(name)]
