"""Pure: the two sides of a data value in words.

In mode `normalized` three explanations of a sample share one probability: sound, wrong label, wrong features, and the
value and the side of the features shrink by the same factor where the target domain is far (docs/valuation.md):

    value_target_loss = 1 - P(wrong label)    value_transport = (1 - P(wrong features)) r    value = P(sound) r

so that r = (value_transport - value) / P(wrong label), which tells wrong features from a far target domain. Mode
`published` has no probabilities: its values order samples, and are not read.
"""

from __future__ import annotations

from enum import StrEnum

# Both sides are probabilities that nothing is wrong: below a half a sample is rather wrong than right.
STANDS_OUT = 0.5
# Below, the quotient is rounding noise; the probability of a wrong label is never that small in practice.
_LEAST_PROBABILITY = 1e-9
READABLE_MODE = "normalized"


class Diagnosis(StrEnum):
    """What a sample most likely is."""

    SOUND = "sound"
    WRONG_LABEL = "wrong_label"
    WRONG_FEATURES = "wrong_features"
    FAR_FROM_TARGET = "far_from_target"


def diagnose(value: float, value_target_loss: float, value_transport: float) -> Diagnosis:
    """The explanation of one sample of a run in mode `normalized`. O(1).

    Args:
        value: of the sample, 0 to 1; higher is more useful.
        value_target_loss: the side of its label.
        value_transport: the side of its features.
    """
    if min(value_target_loss, value_transport) >= STANDS_OUT:
        return Diagnosis.SOUND
    if value_target_loss <= value_transport:
        return Diagnosis.WRONG_LABEL
    nearness = _nearness(value, value_target_loss, value_transport)
    right_features = min(1.0, value_transport / nearness) if nearness > 0 else 1.0
    return Diagnosis.WRONG_FEATURES if right_features < nearness else Diagnosis.FAR_FROM_TARGET


def _nearness(value: float, value_target_loss: float, value_transport: float) -> float:
    """The factor r, 0 to 1: 1 in the middle of the target domain, and where it cannot be told."""
    wrong_label = 1 - value_target_loss
    if wrong_label < _LEAST_PROBABILITY:
        return 1.0
    return min(1.0, max(0.0, (value_transport - value) / wrong_label))
