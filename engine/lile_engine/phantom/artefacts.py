"""What goes wrong between knife and scanner: folds, patches out of focus, dust, pen marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lile_engine.phantom.noise import Floats, View, smooth

_INKS = ((20, 60, 160), (20, 120, 60), (20, 20, 25), (170, 30, 40))


@dataclass(frozen=True)
class Line:
    """A wavering band between two places (µm), ``width`` µm wide."""

    x0: float
    y0: float
    x1: float
    y1: float
    width: float
    seed: int

    def across(self, view: View) -> tuple[Floats, Floats]:
        """Signed distance from the middle line (µm) and place along it (0 to 1 between the ends)."""
        length = float(np.hypot(self.x1 - self.x0, self.y1 - self.y0))
        ux, uy = (self.x1 - self.x0) / length, (self.y1 - self.y0) / length
        px, py = view.xs[None, :] - np.float32(self.x0), view.ys[:, None] - np.float32(self.y0)
        waver = np.float32(self.width * 1.2) * smooth(view, 180, self.seed)
        side = px * np.float32(-uy) + py * np.float32(ux) + waver
        along = (px * np.float32(ux) + py * np.float32(uy)) / np.float32(length)
        return side.astype(np.float32), along.astype(np.float32)

    def near(self, view: View) -> bool:
        """Whether the view could hold a part of the band."""
        pad = self.width * 6
        return not (
            max(self.x0, self.x1) + pad < view.x0
            or min(self.x0, self.x1) - pad > view.x0 + view.width * view.mpp
            or max(self.y0, self.y1) + pad < view.y0
            or min(self.y0, self.y1) - pad > view.y0 + view.height * view.mpp
        )


@dataclass(frozen=True)
class Artefacts:
    """The artefacts of one slide, places in µm. ``soft`` are (x, y, radius) of patches out of focus."""

    folds: tuple[Line, ...] = ()
    pens: tuple[tuple[Line, tuple[int, int, int]], ...] = ()
    soft: tuple[tuple[float, float, float], ...] = ()
    dust: tuple[tuple[float, float, float], ...] = ()

    @staticmethod
    def chance(width_um: float, height_um: float, rng: np.random.Generator) -> Artefacts:
        """Usual amounts: up to two folds, often a pen mark on the glass, a patch or two out of focus, dust."""
        extent = np.array([width_um, height_um])

        def line(reach: float, width: float, middle: NDArray[np.float64]) -> Line:
            turn = rng.uniform(0, np.pi)
            half = reach / 2 * np.array([np.cos(turn), np.sin(turn)])
            a, b = middle - half, middle + half
            return Line(float(a[0]), float(a[1]), float(b[0]), float(b[1]), width, int(rng.integers(1 << 30)))

        span = float(extent.min())
        folds = tuple(
            line(span * rng.uniform(0.15, 0.35), rng.uniform(14, 26), extent * rng.uniform(0.25, 0.75, 2))
            for _ in range(int(rng.integers(0, 3)))
        )
        pens = []
        if rng.random() < 0.6:
            corner = extent * (np.array([0.06, 0.06]) + 0.88 * rng.integers(0, 2, 2))
            pens.append((line(span * 0.18, span * 0.012 + 12, corner), _INKS[int(rng.integers(len(_INKS)))]))
        soft = tuple(
            (float(x), float(y), float(span * rng.uniform(0.05, 0.10)))
            for x, y in extent * rng.uniform(0.15, 0.85, (int(rng.integers(1, 3)), 2))
        )
        specks = min(400, int(width_um * height_um / 4e4))
        dust = tuple(
            (float(x), float(y), float(r))
            for x, y, r in zip(
                *(extent[:, None] * rng.uniform(0, 1, (2, specks))), rng.uniform(0.8, 3.5, specks), strict=True
            )
        )
        return Artefacts(folds, tuple(pens), soft, dust)

    def fold(self, planes: tuple[Floats, Floats, Floats], view: View) -> None:
        """Doubles the tissue along the folds, in place, with a dark crease at their edges."""
        for line in self.folds:
            if not line.near(view):
                continue
            side, along = line.across(view)
            ends = np.clip(np.minimum(along, 1 - along) * 6, 0, 1)
            half = np.float32(line.width / 2) * ends
            inside = np.clip((half - np.abs(side)) / 2 + 0.5, 0, 1) * (half > 0.5)
            crease = np.exp(-(((np.abs(side) - half) / 2.0) ** 2)) * (half > 0.5)
            shift = int(line.width / view.mpp)
            for plane in planes:
                plane += inside * (0.9 * np.roll(plane, shift, axis=0)) + 0.35 * crease * plane

    def finish(self, image: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
        """Blurs soft patches, lays pen marks and dust on the developed picture; uint8 RGB of the same shape."""
        out = image
        for x, y, radius in self.soft:
            near_x = np.clip(x, view.x0, view.x0 + view.width * view.mpp)
            near_y = np.clip(y, view.y0, view.y0 + view.height * view.mpp)
            if np.hypot(near_x - x, near_y - y) > radius * 1.5:
                continue
            distance = np.hypot(view.xs[None, :] - np.float32(x), view.ys[:, None] - np.float32(y))
            share = np.clip((radius * 1.25 - distance) / (radius * 0.5), 0, 1)[:, :, None].astype(np.float32)
            blurred = ndimage.gaussian_filter(out, (1.6 / view.mpp, 1.6 / view.mpp, 0), mode="nearest")
            out = (out * (1 - share) + blurred * share).astype(np.uint8)
        for line, ink in self.pens:
            if not line.near(view):
                continue
            side, along = line.across(view)
            streaks = 0.85 + 0.12 * smooth(view, 9, line.seed + 1) + 0.1 * smooth(view, 60, line.seed + 2)
            on = np.clip((line.width / 2 - np.abs(side)) / 4 + 0.5, 0, 1) * (np.abs(along - 0.5) < 0.5)
            colour = np.array(ink, np.float32) / 255
            film = 1 - (on * streaks)[:, :, None] * (1 - colour) * np.float32(0.92)
            out = (out * np.clip(film, 0, 1)).astype(np.uint8)
        return self._dusted(out, view)

    def _dusted(self, image: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
        out = image
        for x, y, radius in self.dust:
            col, row = (x - view.x0) / view.mpp, (y - view.y0) / view.mpp
            reach = int(radius * 2.5 / view.mpp) + 1
            if not (-reach < col < view.width + reach and -reach < row < view.height + reach):
                continue
            if out is image:
                out = image.copy()
            r0, r1 = max(0, int(row) - reach), min(view.height, int(row) + reach + 1)
            c0, c1 = max(0, int(col) - reach), min(view.width, int(col) + reach + 1)
            yy, xx = np.mgrid[r0:r1, c0:c1]
            lump = np.exp(-((np.hypot(xx - col, (yy - row) * 1.4) * view.mpp / radius) ** 2))[:, :, None]
            out[r0:r1, c0:c1] = (out[r0:r1, c0:c1] * (1 - 0.6 * lump)).astype(np.uint8)
        return out
