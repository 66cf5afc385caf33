"""From where on a picture or a phrase is said to lie outside what the model has learned (0 amid it, 1 far away)."""

from __future__ import annotations

# Pictures: one in ten tiles of unseen cases of learned kinds of tissue lies farther than this, of a frozen section or
# skin that it hardly knows more than half (`benchmarks/answers_outside.py`). A question of many tiles: their mean.
OUTSIDE_PICTURE = 0.3
# Phrases: beyond it lies nothing that means what was learned (unknown diagnoses stay below, other subjects above).
OUTSIDE_PHRASE = 0.8
