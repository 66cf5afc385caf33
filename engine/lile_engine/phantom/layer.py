"""What a painter of a tissue hands back: planes of stain, and bodies to be stamped on them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lile_engine.phantom.noise import Floats, Points, View
from lile_engine.phantom.stamps import Bank, direction_index, disc_bank, nucleus_bank, splat


@dataclass(frozen=True)
class Traits:
    """What varies between pictures of one tissue, each 0 to 1; captions speak of it.

    ``cells`` how many stromal or inflammatory cells; ``atypia`` how ugly the nuclei; ``oedema`` how loose and pale;
    ``wave`` how wavy or disordered; ``size`` of glands, fat cells, vessels; ``secretion`` goblets, mucin, keratin;
    ``blood`` red cells; ``angle`` direction of fibres (turns of pi).
    """

    cells: float = 0.5
    atypia: float = 0.5
    oedema: float = 0.5
    wave: float = 0.5
    size: float = 0.5
    secretion: float = 0.5
    blood: float = 0.3
    angle: float = 0.3


@dataclass(frozen=True)
class Stamps:
    """Bodies of one bank: places in µm, stamp numbers, strengths; ``dye`` says which plane takes their stain.

    ``hides`` is the share of the other dyes that the body displaces.
    """

    bank: Bank
    x: Floats
    y: Floats
    index: NDArray[np.int64]
    strength: Floats
    dye: str
    hides: float

    def where(self, keep: NDArray[np.bool_]) -> Stamps:
        return Stamps(
            self.bank, self.x[keep], self.y[keep], self.index[keep], self.strength[keep], self.dye, self.hides
        )


@dataclass
class Layer:
    """Stain planes float32[h, w] over a view and the stamps on top, in the order of stamping."""

    h: Floats
    e: Floats
    r: Floats
    stamps: list[Stamps] = field(default_factory=list)

    @staticmethod
    def blank(view: View) -> Layer:
        shape = (view.height, view.width)
        return Layer(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def nuclei(
        self, kind: str, view: View, points: Points, angle: Floats | None = None, strength: float | Floats = 1.0
    ) -> None:
        """Adds nuclei of a kind; without ``angle`` each lies as chance has it."""
        if not len(points):
            return
        turn = points.chance(0) * np.float32(np.pi) if angle is None else angle
        full = np.broadcast_to(np.asarray(strength, np.float32), points.x.shape)
        bank = nucleus_bank(kind, view.mpp)
        index = direction_index(turn, points.chance(1))
        self.stamps.append(Stamps(bank, points.x, points.y, index, full * (0.80 + 0.36 * points.chance(2)), "h", 0.30))

    def discs(
        self,
        radius: float,
        view: View,
        points: Points,
        dye: str,
        strength: float,
        hides: float = 0.3,
        pallor: float = 0.0,
        rough: float = 0.08,
        spread: float = 0.1,
    ) -> None:
        """Adds round bodies (cytoplasm, red cells, vacuoles with strength 0)."""
        if not len(points):
            return
        bank = disc_bank(radius, view.mpp, pallor, rough, spread)
        index = (points.chance(3) * len(bank.value)).astype(np.int64)
        full = np.full(points.x.shape, strength, np.float32) * (0.85 + 0.3 * points.chance(4))
        self.stamps.append(Stamps(bank, points.x, points.y, index, full, dye, hides))


def keep_where(layer: Layer, view: View, mask: NDArray[np.bool_]) -> list[Stamps]:
    """The layer's stamps whose centre lies where ``mask`` [h, w] is true (beyond the view the nearest pixel counts)."""
    kept = []
    for batch in layer.stamps:
        cols = np.clip(((batch.x - view.x0) / view.mpp).astype(int), 0, view.width - 1)
        rows = np.clip(((batch.y - view.y0) / view.mpp).astype(int), 0, view.height - 1)
        kept.append(batch.where(mask[rows, cols]))
    return kept


def press(planes: tuple[Floats, Floats, Floats], view: View, stamps: list[Stamps]) -> None:
    """Stamps the bodies onto the planes, in place."""
    h, e, r = planes
    named = {"h": h, "e": e, "r": r}
    shape = h.shape
    for batch in stamps:
        if not len(batch.x):
            continue
        x = np.floor((batch.x - view.x0) / view.mpp).astype(np.int64)
        y = np.floor((batch.y - view.y0) / view.mpp).astype(np.int64)
        value = np.zeros(shape, np.float32)
        splat(value, batch.bank.value, x, y, batch.index, batch.strength)
        cover = np.zeros(shape, np.float32)
        splat(cover, batch.bank.cover, x, y, batch.index)
        keep = 1 - np.float32(batch.hides) * cover
        for name, plane in named.items():
            plane *= keep
            if name == batch.dye:
                np.maximum(plane, value, out=plane)
