"""The words that rows and requests share; see the life cycles in `lifecycles.py`."""

from __future__ import annotations

from enum import StrEnum


class FeatureKind(StrEnum):
    CONTINUOUS = "continuous"
    INTEGER = "integer"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"


class Scope(StrEnum):
    """What a principal may do; none implies another.

    READ     looks
    WRITE    sends data and starts runs
    APPROVE  commits money: approves, rejects, orders, abandons
    ADMIN    manages users, keys and webhooks, reads the audit log
    """

    READ = "read"
    WRITE = "write"
    APPROVE = "approve"
    ADMIN = "admin"


class Role(StrEnum):
    """What a user is; `scopes` says what that allows.

    VIEWER    looks
    ENGINEER  sends data and starts runs, too
    APPROVER  commits money, too
    ADMIN     everything
    """

    VIEWER = "viewer"
    ENGINEER = "engineer"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def scopes(self) -> frozenset[Scope]:
        scopes, roles = list(Scope), list(Role)
        return frozenset(scopes[: roles.index(self) + 1])


class ProcessKind(StrEnum):
    """What gives signs of life by rows; an API gives its own over HTTP."""

    WORKER = "worker"
    BEAT = "beat"


class SourceKind(StrEnum):
    PHYSICAL_TEST = "physical_test"
    SIMULATION = "simulation"


class Split(StrEnum):
    """What a sample may be used for.

    TRAIN        trains the surrogate; its candidates form the pool
    VALIDATION   stands for the target domain; chooses between surrogates
    HOLDOUT      measures only: never trained on, never acquirable
    """

    TRAIN = "train"
    VALIDATION = "validation"
    HOLDOUT = "holdout"


class SampleStatus(StrEnum):
    """CANDIDATE has no target yet, LABELLED has one, ABANDONED will never be proposed again."""

    CANDIDATE = "candidate"
    LABELLED = "labelled"
    ABANDONED = "abandoned"


class Arm(StrEnum):
    """CHOSEN by the strategy, CONTROL: drawn at random as the unbiased comparator, INJECTED by a person."""

    CHOSEN = "chosen"
    CONTROL = "control"
    INJECTED = "injected"


class MapRole(StrEnum):
    """What a point on the map of a round was when the round was ranked; TARGET points have no sample of their own."""

    LABELLED = "labelled"
    VALIDATION = "validation"
    PENDING = "pending"
    CANDIDATE = "candidate"
    TARGET = "target"


class Strategy(StrEnum):
    """How a round chooses; AUTO takes what the campaign's newest backtest supports, else a documented prior."""

    AUTO = "auto"
    VARIANCE_REDUCTION = "variance_reduction"
    LCMD = "lcmd"
    BAIT = "bait"
    MAX_DETERMINANT = "max_determinant"
    KMEANS_PP = "kmeans_pp"
    SPACE_FILLING = "space_filling"
    TOP_VARIANCE = "top_variance"
    LOSSVAL_VALUE = "lossval_value"
    NEAR_TARGET = "near_target"
    RANDOM = "random"


class GateOutcome(StrEnum):
    """What the gate says about a surrogate that is to serve instead of the present one.

    FIRST         none serves yet: there is nothing to compare with
    NOT_WORSE     its error on the shared holdout exceeds that of the present one by the tolerance at most
    WORSE         it exceeds it by more: it is held back
    NOT_MEASURED  the two share too few holdout samples to compare them
    OVERRIDDEN    somebody let it serve all the same, with a reason
    """

    FIRST = "first"
    NOT_WORSE = "not_worse"
    WORSE = "worse"
    NOT_MEASURED = "not_measured"
    OVERRIDDEN = "overridden"


class ReviewDecision(StrEnum):
    """What somebody decided about a suspicious test.

    CONFIRMED  the label is right: not asked again until the evidence changes
    DISMISSED  set aside without a check: a later valuation that doubts it asks again
    CORRECTED  the label was wrong and is another one now; the old one stays in its history
    RETESTED   a repetition was made a candidate: asked again when both have been valued
    """

    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    CORRECTED = "corrected"
    RETESTED = "retested"


class Finding(StrEnum):
    """Why a test is suspicious: by the newest valuation run, or by a look at the data without a network."""

    WRONG_LABEL = "wrong_label"
    WRONG_FEATURES = "wrong_features"
    LABEL_OUTLIER = "label_outlier"
    FEATURE_OUTLIER = "feature_outlier"


class Oracle(StrEnum):
    """What runs a simulation for us: the built-in occupant model, or a solver on the worker's machine."""

    OCCUPANT_MODEL = "occupant_model"
    COMMAND = "command"


class LogLevel(StrEnum):
    """How grave a line of a run's log is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSpeaker(StrEnum):
    """Who wrote a line of a run's log: the worker that has the run in hand, or the solver that it runs."""

    WORKER = "worker"
    SOLVER = "solver"


class Evidence(StrEnum):
    """Backtest of the strategy against random on the campaign's own data."""

    BETTER = "better"
    NOT_BETTER = "not_better"
    WORSE = "worse"
    NOT_ENOUGH_DATA = "not_enough_data"


class TriggerKind(StrEnum):
    """What makes a schedule due."""

    CRON = "cron"
    INTERVAL = "interval"
    NEW_LABELS = "new_labels"
    DATE = "date"


class MisfireRule(StrEnum):
    """What becomes of a due time that could not be kept: nothing ran then, or a round was still open.

    RUN_ONCE  catch up as soon as possible, once however many were missed
    SKIP      leave it out, and say so in the firings
    """

    RUN_ONCE = "run_once"
    SKIP = "skip"


class ScheduledAction(StrEnum):
    """What a schedule starts; a backtest joins when it is a task of its own."""

    ROUND = "round"


class FiringOutcome(StrEnum):
    """STARTED a round, or SKIPPED the due time, with the reason."""

    STARTED = "started"
    SKIPPED = "skipped"
