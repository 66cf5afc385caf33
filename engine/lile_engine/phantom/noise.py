"""World-anchored randomness: the same place of the same world looks the same from every view.

Everything is a function of a place in µm and a seed, so a slide can be drawn block by block without seams and
without remembering anything. Lattice values come from an integer hash; smooth fields are cubic B-splines over such
lattices, which makes them two small matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TEXTURE_SIZE = 1024
# Mean over a cell of the sum of squared cubic B-spline weights; makes smooth noise of unit variance.
_SPLINE_POWER = 0.4794
_UNIT = np.sqrt(np.float32(12)) / np.float32(_SPLINE_POWER)


@dataclass(frozen=True)
class View:
    """A rectangle of the world: top left corner ``x0, y0`` and pixel pitch ``mpp`` in µm, size in pixels."""

    x0: float
    y0: float
    width: int
    height: int
    mpp: float

    @property
    def xs(self) -> Floats:
        """float32[width]: µm of the pixel centres, relative to ``x0``'s world."""
        return (self.x0 + (np.arange(self.width) + 0.5) * self.mpp).astype(np.float32)

    @property
    def ys(self) -> Floats:
        """float32[height]: µm of the pixel centres."""
        return (self.y0 + (np.arange(self.height) + 0.5) * self.mpp).astype(np.float32)

    def coarse(self, step: int) -> View:
        """The same rectangle (rounded up) with pixels ``step`` times as large."""
        return View(self.x0, self.y0, -(-self.width // step), -(-self.height // step), self.mpp * step)


def uniform(i: NDArray[np.integer], j: NDArray[np.integer], seed: int, channel: int = 0) -> Floats:
    """float32 in [0, 1) for every lattice place (i, j); independent for different seeds and channels."""
    h = (i.astype(np.uint32) * np.uint32(0x9E3779B1)) ^ (j.astype(np.uint32) * np.uint32(0x85EBCA77))
    h ^= np.uint32((seed * 0xC2B2AE3D + channel * 0x27D4EB2F + 0x165667B1) & 0xFFFFFFFF)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> np.uint32(12)
    h *= np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(1.0 / (1 << 24))


def _spline(start: float, pitch: float, count: int) -> tuple[Floats, int, int]:
    """Cubic B-spline weights [count, n] of the lattice places first .. first + n - 1 at start + k * pitch."""
    t = start + np.arange(count) * pitch
    base = np.floor(t).astype(np.int64)
    f = t - base
    first = int(base[0]) - 1
    n = int(base[-1]) + 3 - first
    weights = np.zeros((count, n), np.float32)
    rows, cols = np.arange(count), base - 1 - first
    weights[rows, cols] = (1 - f) ** 3 / 6
    weights[rows, cols + 1] = (3 * f**3 - 6 * f**2 + 4) / 6
    weights[rows, cols + 2] = (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6
    weights[rows, cols + 3] = f**3 / 6
    return weights, first, n


def smooth(view: View, scale: float, seed: int) -> Floats:
    """Smooth noise float32[h, w] of about unit variance whose bumps are ``scale`` µm wide."""
    wx, i0, ni = _spline((view.x0 + 0.5 * view.mpp) / scale, view.mpp / scale, view.width)
    wy, j0, nj = _spline((view.y0 + 0.5 * view.mpp) / scale, view.mpp / scale, view.height)
    i, j = np.meshgrid(np.arange(i0, i0 + ni), np.arange(j0, j0 + nj))
    lattice = (uniform(i, j, seed) - np.float32(0.5)) * _UNIT
    out: Floats = (wy @ lattice) @ wx.T
    return out


def slopes(field: Floats, pitch: float) -> tuple[Floats, Floats]:
    """Derivatives of a field [h, w] down and to the right, per µm, for pixels of ``pitch`` µm."""
    down, right = np.gradient(field, pitch)
    return np.asarray(down, np.float32), np.asarray(right, np.float32)


def fractal(view: View, scale: float, seed: int, octaves: int = 3, gain: float = 0.5) -> Floats:
    """Sum of `smooth` at ``scale``, scale/2, ...; unit variance again."""
    total = smooth(view, scale, seed)
    power, weight = 1.0, 1.0
    for octave in range(1, octaves):
        weight *= gain
        power += weight**2
        total += np.float32(weight) * smooth(view, scale / 2**octave, seed + 7919 * octave)
    total /= np.float32(np.sqrt(power))
    return total


def smooth_at(x: NDArray[np.floating], y: NDArray[np.floating], scale: float, seed: int) -> Floats:
    """`smooth` at scattered places (µm), float32[n] for x, y [n]; equal to the field there."""
    tx, ty = np.asarray(x, np.float64) / scale, np.asarray(y, np.float64) / scale
    bx, by = np.floor(tx).astype(np.int64), np.floor(ty).astype(np.int64)
    steps = np.arange(-1, 3)
    lattice = uniform(bx + steps[None, :, None], by + steps[:, None, None], seed) - np.float32(0.5)
    total = np.einsum("bn,an,ban->n", np.stack(_weights(ty - by)), np.stack(_weights(tx - bx)), lattice)
    out: Floats = (total * _UNIT).astype(np.float32)
    return out


def _weights(f: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [(1 - f) ** 3 / 6, (3 * f**3 - 6 * f**2 + 4) / 6, (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6, f**3 / 6]


@dataclass(frozen=True)
class Points:
    """Scattered places: ``x, y`` float32[n] in µm and their lattice numbers, from which their chance comes."""

    x: Floats
    y: Floats
    i: Ints
    j: Ints
    seed: int

    def chance(self, channel: int) -> Floats:
        """float32[n] in [0, 1): the point's own luck, the same from every view."""
        return uniform(self.i, self.j, self.seed, 100 + channel)

    def where(self, keep: NDArray[np.bool_]) -> Points:
        return Points(self.x[keep], self.y[keep], self.i[keep], self.j[keep], self.seed)

    def __len__(self) -> int:
        return len(self.x)


def scatter(view: View, spacing: float, seed: int, margin: float, jitter: float = 0.45) -> Points:
    """Points about ``spacing`` µm apart (shifted rows, jittered) in the view and ``margin`` µm around it."""
    row = spacing * 0.87
    pad = margin + spacing
    i0, i1 = int((view.x0 - pad) // spacing), int((view.x0 + view.width * view.mpp + pad) // spacing) + 1
    j0, j1 = int((view.y0 - pad) // row), int((view.y0 + view.height * view.mpp + pad) // row) + 1
    grid_i, grid_j = np.meshgrid(np.arange(i0, i1 + 1), np.arange(j0, j1 + 1))
    i, j = grid_i.ravel(), grid_j.ravel()
    x = (i + 0.5 * (j & 1) + (uniform(i, j, seed, 1) - 0.5) * 2 * jitter) * spacing
    y = (j + (uniform(i, j, seed, 2) - 0.5) * 2 * jitter) * row
    inside = (x > view.x0 - margin) & (x < view.x0 + view.width * view.mpp + margin)
    inside &= (y > view.y0 - margin) & (y < view.y0 + view.height * view.mpp + margin)
    return Points(x[inside].astype(np.float32), y[inside].astype(np.float32), i[inside], j[inside], seed)


@dataclass(frozen=True)
class Cells:
    """A tiling into cells: distance to the cell's border and to its seed (µm), and the cell's lattice numbers."""

    border: Floats
    centre: Floats
    i: Ints
    j: Ints
    dx: Floats
    dy: Floats


def cells(
    view: View, spacing: float, seed: int, jitter: float = 0.4, shift: tuple[Floats, Floats] | None = None
) -> Cells:
    """Voronoi cells about ``spacing`` µm wide around jittered lattice points; arrays [h, w].

    ``shift`` (µm in x and y, float32[h, w], small against ``spacing``) makes their borders waver.
    """
    u, v = view.xs[None, :] / np.float32(spacing), view.ys[:, None] / np.float32(spacing)
    bi, bj = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    i0, j0 = int(bi.min()) - 1, int(bj.min()) - 1
    gi, gj = np.meshgrid(np.arange(i0, int(bi.max()) + 2), np.arange(j0, int(bj.max()) + 2))
    px = (gi + 0.5 + (uniform(gi, gj, seed, 1) - 0.5) * 2 * jitter).astype(np.float32)
    py = (gj + 0.5 + (uniform(gi, gj, seed, 2) - 0.5) * 2 * jitter).astype(np.float32)
    cols, rows = (bi - i0)[0], (bj - j0)[:, 0]
    if shift is not None:
        # The lattice cell looked up stays; only the distances are taken from the shifted place.
        u, v = u + shift[0] / np.float32(spacing), v + shift[1] / np.float32(spacing)
    shape = (view.height, view.width)
    dx, dy = np.empty((9, *shape), np.float32), np.empty((9, *shape), np.float32)
    for k in range(9):
        pick = np.ix_(rows + (k // 3 - 1), cols + (k % 3 - 1))
        np.subtract(u, px[pick], out=dx[k])
        np.subtract(v, py[pick], out=dy[k])
    distance = dx * dx
    distance += dy * dy

    def nearest() -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
        number = distance.argmin(axis=0)[None]
        taken = [np.take_along_axis(plane, number, 0)[0] for plane in (distance, dx, dy)]
        np.put_along_axis(distance, number, np.float32(np.inf), 0)
        return number[0], taken[0], taken[1], taken[2]

    first, best, bx, by = nearest()
    _, second, sx, sy = nearest()
    gap = np.sqrt((bx - sx) ** 2 + (by - sy) ** 2) + np.float32(1e-6)
    scale = np.float32(spacing)
    return Cells(
        (second - best) / (2 * gap) * scale,
        np.sqrt(best) * scale,
        (cols + i0)[None, :] + first % 3 - 1,
        (rows + j0)[:, None] + first // 3 - 1,
        bx * scale,
        by * scale,
    )


def cell_seeds(view: View, spacing: float, seed: int, margin: float, jitter: float = 0.4) -> Points:
    """The seeds of `cells` in the view and ``margin`` µm around it."""
    i0, i1 = int((view.x0 - margin) // spacing) - 1, int((view.x0 + view.width * view.mpp + margin) // spacing) + 1
    j0, j1 = int((view.y0 - margin) // spacing) - 1, int((view.y0 + view.height * view.mpp + margin) // spacing) + 1
    grid_i, grid_j = np.meshgrid(np.arange(i0, i1 + 1), np.arange(j0, j1 + 1))
    i, j = grid_i.ravel(), grid_j.ravel()
    x = (i + 0.5 + (uniform(i, j, seed, 1) - 0.5) * 2 * jitter) * spacing
    y = (j + 0.5 + (uniform(i, j, seed, 2) - 0.5) * 2 * jitter) * spacing
    return Points(x.astype(np.float32), y.astype(np.float32), i, j, seed)


def magnify(field: Floats, step: int, view: View) -> Floats:
    """A field of ``view.coarse(step)`` brought to the view's own pixels, linearly; float32[h, w]."""
    if step == 1:
        return field
    y = np.clip((np.arange(view.height) + 0.5) / step - 0.5, 0, field.shape[0] - 1)
    x = np.clip((np.arange(view.width) + 0.5) / step - 0.5, 0, field.shape[1] - 1)
    y0, x0 = (
        np.minimum(y.astype(int), max(field.shape[0] - 2, 0)),
        np.minimum(x.astype(int), max(field.shape[1] - 2, 0)),
    )
    fy, fx = (y - y0).astype(np.float32)[:, None], (x - x0).astype(np.float32)[None, :]
    y1, x1 = np.minimum(y0 + 1, field.shape[0] - 1), np.minimum(x0 + 1, field.shape[1] - 1)
    rows = field[y0] * (1 - fy) + field[y1] * fy
    out: Floats = rows[:, x0] * (1 - fx) + rows[:, x1] * fx
    return out


# Periodic textures, made once per process. Lengths are in texture pixels of 0.25 µm.
TEXTURE_PITCH = 0.25


def texture(kind: str) -> Floats:
    """Periodic float32[1024, 1024] of zero mean and unit variance; rows run across fibres, columns along them.

    ``grain`` white noise of about a µm; ``cloud`` mottling of a few µm; ``fibre`` thin fibrils; ``strand`` bundles of
    them; ``gap`` spindle-shaped blobs (clefts are where it is low); ``web`` thin lines around bubbles and ``mesh`` the
    same drawn out along.
    """
    n = TEXTURE_SIZE
    rng = np.random.default_rng(list(kind.encode()))
    fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :]

    def filtered(along: float, across: float) -> NDArray[np.float64]:
        white = np.fft.rfft2(rng.standard_normal((n, n)))
        kernel = np.exp(-2 * np.pi**2 * ((fx * along) ** 2 + (fy * across) ** 2))
        field = np.fft.irfft2(white * kernel, s=(n, n))
        out: NDArray[np.float64] = (field - field.mean()) / field.std()
        return out

    if kind == "grain":
        field = filtered(1.2, 1.2)
    elif kind == "cloud":
        field = filtered(5, 5) + 0.7 * filtered(2.5, 2.5)
    elif kind == "fibre":
        # Short fibrils, thin dark lines on a paler ground.
        field = filtered(22, 1.0) + 0.9 * filtered(36, 2.2) + 0.6 * filtered(55, 5) + 0.35 * filtered(3, 3)
        field = np.exp(0.4 * field / field.std())
    elif kind == "strand":
        field = filtered(26, 3) + 0.7 * filtered(17, 1.3) + 0.8 * filtered(40, 8)
    elif kind == "gap":
        field = filtered(34, 5) + 0.5 * filtered(60, 11) + 0.45 * filtered(9, 3)
    elif kind in ("web", "mesh"):
        # Where a smooth field crosses zero runs a thin line; several scales of them branch and meet.
        stretch = 1.0 if kind == "web" else 2.6
        field = np.zeros((n, n))
        for size, width, weight in ((13, 0.17, 1.0), (7, 0.22, 0.8), (24, 0.11, 1.0)):
            ridge = np.exp(-((filtered(size * stretch, size) / width) ** 2))
            field += ridge * np.clip(0.75 + 0.5 * filtered(18, 18), 0, 2) * weight
    else:
        raise ValueError(f"There is no texture {kind!r}.")
    unit: Floats = ((field - field.mean()) / field.std()).astype(np.float32)
    return unit


# Looked up as whole numbers: a texture of 1 MiB stays in the processor's cache, one of 4 MiB does not.
_PACK_STEP = np.float32(1 / 28)


@lru_cache(maxsize=16)
def _packed(kind: str) -> NDArray[np.int8]:
    packed: NDArray[np.int8] = np.clip(np.rint(texture(kind) / _PACK_STEP), -127, 127).astype(np.int8)
    return packed


def sample(kind: str, u: Floats, v: Floats) -> Floats:
    """The texture at ``u`` (along) and ``v`` (across) in µm, nearest pixel; float32 of their shape."""
    pitch = np.float32(1 / TEXTURE_PITCH)
    iu = (u * pitch).astype(np.int32) & (TEXTURE_SIZE - 1)
    iv = (v * pitch).astype(np.int32) & (TEXTURE_SIZE - 1)
    out: Floats = _packed(kind)[iv, iu] * _PACK_STEP
    return out


def sample_flat(kind: str, view: View, shift: int, stretch: float = 1.0) -> Floats:
    """The texture over the view without rotation, ``stretch`` times as coarse; cheap, as it is separable."""
    pitch = 1 / (TEXTURE_PITCH * stretch)
    iu = np.floor(view.xs.astype(np.float64) * pitch).astype(np.int64) + shift * 397
    iv = np.floor(view.ys.astype(np.float64) * pitch).astype(np.int64) + shift * 613
    out: Floats = _packed(kind)[np.ix_(iv & (TEXTURE_SIZE - 1), iu & (TEXTURE_SIZE - 1))] * _PACK_STEP
    return out
