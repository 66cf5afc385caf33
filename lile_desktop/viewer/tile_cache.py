"""Decoded tiles in memory, weighed in bytes; what was used least recently goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from PySide6.QtGui import QImage

DEFAULT_BUDGET = 512 * 1024 * 1024


class TileCache:
    """Images by key, never more than ``budget`` bytes of them. Several views may share one. GUI thread only."""

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self._images: OrderedDict[Hashable, QImage] = OrderedDict()
        self._reserved: dict[Hashable, int] = {}
        self._bytes = 0
        self._budget = budget

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._images

    @property
    def bytes_held(self) -> int:
        return self._bytes

    @property
    def budget(self) -> int:
        return self._budget

    def set_budget(self, budget: int) -> None:
        """Another budget in bytes; what is too much is let go now."""
        self._budget = budget
        self._shrink(budget)

    def reserve(self, owner: Hashable, weight: int) -> None:
        """Count ``weight`` bytes that ``owner`` holds beside the cache against the budget; 0 for none any more."""
        self._bytes += weight - self._reserved.pop(owner, 0)
        if weight:
            self._reserved[owner] = weight
            self._shrink(self._budget)

    def get(self, key: Hashable) -> QImage | None:
        """The image, marked as just used, or None."""
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
        return image

    def put(self, key: Hashable, image: QImage) -> None:
        """Keep an image; one that is larger than the whole budget is not kept."""
        self.drop(key)
        weight = image.sizeInBytes()
        if weight > self._budget:
            return
        self._shrink(self._budget - weight)
        self._images[key] = image
        self._bytes += weight

    def drop(self, key: Hashable) -> None:
        image = self._images.pop(key, None)
        if image is not None:
            self._bytes -= image.sizeInBytes()

    def clear(self) -> None:
        self._images.clear()
        self._bytes = sum(self._reserved.values())

    def _shrink(self, target: int) -> None:
        while self._bytes > target and self._images:
            _, image = self._images.popitem(last=False)
            self._bytes -= image.sizeInBytes()
