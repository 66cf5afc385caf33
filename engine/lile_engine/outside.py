"""From where on a picture or a phrase is said to lie outside what the model has learned (0 amid it, 1 far away), and
from where on a phrase is said to fit nothing of what it was compared with."""

from __future__ import annotations

from dataclasses import dataclass

# Pictures: one in ten tiles of unseen cases of learned kinds of tissue lies farther than this, of a frozen section or
# skin that it hardly knows more than half (`benchmarks/answers_outside.py`). A question of many tiles: their mean.
OUTSIDE_PICTURE = 0.3
# Phrases: beyond it lies nothing that means what was learned (unknown diagnoses stay below, other subjects above).
OUTSIDE_PHRASE = 0.8

# A phrase's own range of cosines ends at this quantile of what it scores on the pictures that the model learned from.
RANGE_QUANTILE = 0.99
# Of fewer pictures (a model fine-tuned on a small folder) that quantile is one picture or two, those beside the very
# phrase; then the least range alone counts.
RANGE_PICTURES = 1000
# A phrase for which the model learned no picture scores alike on all of them; its range is at least this wide, so that
# the best of many wrong ones does not fill it. Pictures with their own phrase score 0.4 to 0.7 above its mean.
LEAST_RANGE = 0.4
# The phrase fits nothing well where even the best stays below this share of its range.
FITS_SHARE = 1.0


@dataclass(frozen=True)
class PhraseRange:
    """Where a phrase's cosines begin and end, whatever slide it is laid over: with c the cosines of the phrase with
    all learned pictures, ``low = mean(c)`` and ``high = max(quantile(c, RANGE_QUANTILE), low + LEAST_RANGE)``, of fewer
    than ``RANGE_PICTURES`` pictures ``high = low + LEAST_RANGE``."""

    low: float
    high: float

    def fits(self, best: float) -> bool:
        """Whether the ``best`` cosine that was found says that the phrase fits there: its share of the range,
        ``(best - low) / (high - low)``, is at least ``FITS_SHARE``."""
        return best - self.low >= FITS_SHARE * (self.high - self.low)
