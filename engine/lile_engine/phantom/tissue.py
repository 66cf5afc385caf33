"""The tissues by name, and a tile of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lile_engine.errors import DataError
from lile_engine.phantom import connective, epithelium, fluids
from lile_engine.phantom.layer import Layer, Traits, press
from lile_engine.phantom.noise import View, sample_flat
from lile_engine.phantom.stains import Stain, develop, random_stain

Painter = Callable[[View, Traits, int], Layer]


@dataclass(frozen=True)
class Tissue:
    """A tissue the phantom can draw; ``colour`` marks its regions in the ground truth."""

    name: str
    paint: Painter
    colour: tuple[int, int, int]


_ALL: tuple[Tissue, ...] = (
    Tissue("background", connective.background, (200, 200, 200)),
    Tissue("adipose", connective.adipose, (255, 230, 120)),
    Tissue("dense stroma", connective.dense_stroma, (240, 140, 170)),
    Tissue("loose stroma", connective.loose_stroma, (250, 190, 210)),
    Tissue("desmoplastic stroma", connective.desmoplastic_stroma, (210, 110, 150)),
    Tissue("smooth muscle", connective.smooth_muscle, (190, 60, 100)),
    Tissue("lymphoid aggregate", fluids.lymphoid, (70, 60, 170)),
    Tissue("normal mucosa", epithelium.normal_mucosa, (90, 180, 120)),
    Tissue("benign glands", epithelium.benign_glands, (130, 210, 150)),
    Tissue("adenocarcinoma grade 1", partial(epithelium.adenocarcinoma, grade=1), (230, 120, 40)),
    Tissue("adenocarcinoma grade 2", partial(epithelium.adenocarcinoma, grade=2), (220, 80, 30)),
    Tissue("adenocarcinoma grade 3", partial(epithelium.adenocarcinoma, grade=3), (190, 40, 20)),
    Tissue("squamous epithelium", partial(epithelium.squamous, keratin=False), (80, 160, 210)),
    Tissue("keratinising squamous epithelium", partial(epithelium.squamous, keratin=True), (60, 120, 220)),
    Tissue("squamous cell carcinoma", partial(epithelium.squamous, keratin=True, malignant=True), (120, 60, 200)),
    Tissue("spindle cell tumour", connective.spindle_tumour, (150, 40, 130)),
    Tissue("bone", connective.bone, (235, 215, 190)),
    Tissue("cartilage", connective.cartilage, (150, 130, 200)),
    Tissue("mucin", fluids.mucin, (150, 170, 230)),
    Tissue("necrosis", fluids.necrosis, (120, 110, 90)),
    Tissue("blood", fluids.blood, (220, 20, 20)),
    Tissue("nerve", connective.nerve, (240, 220, 60)),
    Tissue("vessel", fluids.vessel, (170, 30, 60)),
)

TISSUES: tuple[str, ...] = tuple(tissue.name for tissue in _ALL)
_BY_NAME = {tissue.name: tissue for tissue in _ALL}
# Pixels finer than this are drawn as such, coarser ones drawn finer and averaged.
_FINE_MPP, _BASE_MPP = 0.25, 0.5


def tissue_named(name: str) -> Tissue:
    """The tissue; raises `DataError` that lists the known ones."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise DataError(f"There is no phantom tissue {name!r}; choose one of: {', '.join(TISSUES)}.") from None


def random_traits(rng: np.random.Generator) -> Traits:
    """Traits of a picture, all between 0 and 1."""
    return Traits(*(float(value) for value in rng.uniform(0, 1, 8)))


def tile_traits(tissue: str, seed: int) -> Traits:
    """The traits `draw_tile` uses for this tissue and seed; what a caption of it may speak of."""
    return random_traits(_tile_rng(tissue, seed))


def _tile_rng(tissue: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed & 0xFFFFFFFF, *tissue.encode()])


def drawing_mpp(mpp: float) -> float:
    """The pixel pitch at which a picture of ``mpp`` is drawn before it is averaged down."""
    return _FINE_MPP if mpp < _BASE_MPP * 0.99 else _BASE_MPP


def draw_tile(
    tissue: str, seed: int, px: int = 224, mpp: float = 0.5, stain: Stain | None = None, traits: Traits | None = None
) -> NDArray[np.uint8]:
    """A tile of one tissue, uint8[px, px, 3] RGB at ``mpp`` µm per pixel; the same arguments give the same pixels.

    Without ``stain`` and ``traits`` the seed chooses them. Raises `DataError` for a tissue not in `TISSUES`.
    """
    painter = tissue_named(tissue)
    rng = _tile_rng(tissue, seed)
    own = random_traits(rng)
    stain = stain or random_stain(rng)
    pitch = drawing_mpp(mpp)
    size = px if pitch == mpp else max(1, round(px * mpp / pitch))
    x0, y0 = (float(value) for value in rng.integers(0, 200_000, 2))
    view = View(x0, y0, size, size, pitch)
    image = render(painter.paint(view, traits or own, int(rng.integers(1 << 30))), view, stain, int(rng.integers(997)))
    if size != px:
        image = np.asarray(Image.fromarray(image).resize((px, px), Image.Resampling.BOX))
    return image


def render(layer: Layer, view: View, stain: Stain, grain: int) -> NDArray[np.uint8]:
    """Stamps the layer's bodies and develops it; uint8 RGB [h, w, 3]."""
    planes = (layer.h.astype(np.float32), layer.e.astype(np.float32), layer.r)
    press(planes, view, layer.stamps)
    return develop(*planes, stain, view.mpp, sample_flat("grain", view, grain, 2.0))
