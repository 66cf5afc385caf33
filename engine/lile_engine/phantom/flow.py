"""Fields of direction that fibres and spindle cells follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lile_engine.phantom.noise import Floats, Points, View, magnify, sample, sample_flat, smooth

_STEP = 4.0


@dataclass(frozen=True)
class Flow:
    """Wavy parallel lines: ``u`` runs along them and ``v`` across, float32[h, w] in µm."""

    u: Floats
    v: Floats
    theta: Floats
    origin: tuple[float, float]

    def angle_at(self, points: Points) -> Floats:
        """Direction of the lines (radians) at scattered points."""
        rows = np.clip(((points.y - self.origin[1]) / _STEP).astype(int), 0, self.theta.shape[0] - 1)
        cols = np.clip(((points.x - self.origin[0]) / _STEP).astype(int), 0, self.theta.shape[1] - 1)
        out: Floats = self.theta[rows, cols]
        return out

    def streaks(self, kind: str, coarse: float = 1.0, stretch: float = 1.0, shift: float = 0.0) -> Floats:
        """A texture along the lines: ``coarse`` times as thick, and ``stretch`` times as long again."""
        along, across = np.float32(1 / (coarse * stretch)), np.float32(1 / coarse)
        return sample(kind, self.u * along + np.float32(shift), self.v * across + np.float32(shift * 1.7))


def flow(
    view: View, angle: float, seed: int, *, sway: float, scale: float, crimp: float = 0.0, rough: float = 0.6
) -> Flow:
    """Lines in direction ``angle`` (radians) that sway by ``sway`` µm over ``scale`` µm.

    ``crimp`` µm is a finer waviness, ``rough`` µm the unevenness of single fibrils.
    """
    wide = View(
        view.x0 - 24,
        view.y0 - 24,
        int((view.width * view.mpp + 48) / _STEP) + 2,
        int((view.height * view.mpp + 48) / _STEP) + 2,
        _STEP,
    )

    def bend(at: View) -> Floats:
        field = np.float32(sway) * smooth(at, scale, seed) + np.float32(sway * 0.4) * smooth(at, scale * 0.45, seed + 1)
        if crimp:
            field += np.float32(crimp) * smooth(at, 14.0, seed + 2)
        return field

    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    coarse = view.coarse(2)
    u = view.xs[None, :] * c + view.ys[:, None] * s
    v = -view.xs[None, :] * s + view.ys[:, None] * c + magnify(bend(coarse), 2, view)
    if rough:
        v += np.float32(rough) * sample_flat("cloud", view, seed % 101, 2.5)
    gy, gx = np.gradient(bend(wide), _STEP)
    theta = np.arctan2(s - gx, c + gy)
    return Flow(u, v, theta.astype(np.float32), (wide.x0, wide.y0))
