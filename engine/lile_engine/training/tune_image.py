"""Before a LILE is trained on frozen features: the image backbone learns tissue, end to end, from the same pairs.

A backbone that has seen only everyday pictures is tuned with the cheapest heads that can teach it: pooled features
(mean and deviation of each channel of each tap) and the text encoder's mean hidden states, each whitened and brought to
one space. Three losses: contrast of pictures and texts in the batch, where texts that nearly say the same count a
little (soft targets); the tissue terms of a picture against all terms; and, at little weight, the organ of its slide.
The heads are thrown away; `lile_engine.training.loop` trains LILE on what the backbone has become.

CPU only in speed (`TunableLite0`), not in kind. A run is saved every ``save_steps`` and goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (everyone calls it F)
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from lile_engine.errors import DataError
from lile_engine.model.efficientnet_lite import EfficientNetLite0
from lile_engine.model.losses import soft_contrast
from lile_engine.model.tunable_lite import TunableLite0
from lile_engine.training.pairs import PairDataset
from lile_engine.training.state import read_tensors, write_tensors
from lile_engine.training.tune_data import TextTable, TileStore, stain_views
from lile_engine.training.whiten import Head, Whitening

STATE = "tune.safetensors"


@dataclass(frozen=True)
class TuneConfig:
    """How to tune. Rates are AdamW's; ``layer_decay`` lowers the backbone's for each block further from its end;
    ``soft`` is the share of the target that goes to texts of like meaning; ``scale`` how far a view may be zoomed."""

    steps: int = 1350
    batch: int = 96
    px: int = 176
    frozen_blocks: int = 5
    rate: float = 4e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.9
    warmup: int = 100
    ema: float = 0.996
    soft: float = 0.15
    weight_terms: float = 0.5
    weight_organs: float = 0.2
    scale: tuple[float, float] = (0.7, 1.15)
    seed: int = 0
    save_steps: int = 100


@dataclass(frozen=True)
class TuneInfo:
    """One step: its number (from 1) and its losses."""

    step: int
    contrast: float
    terms: float
    organs: float


class Heads(nn.Module):
    """What stands on the backbone while it is tuned, and is thrown away."""

    def __init__(self, image: Whitening, text: Whitening, organs: int) -> None:
        super().__init__()
        self.image, self.text = Head(image), Head(text)
        self.organ = nn.Linear(self.image.width, max(organs, 1))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))


def pooled(maps: Sequence[Tensor]) -> Tensor:
    """Mean and deviation over places of each channel of each map: [B, 2 * channels], float32."""
    full = [m.float() for m in maps]
    return torch.cat([m.mean((2, 3)) for m in full] + [m.std((2, 3)) for m in full], dim=1)


def tune(
    backbone: EfficientNetLite0,
    datasets: Sequence[PairDataset],
    weights: Sequence[float],
    texts: TextTable,
    organs: dict[str, str],
    config: TuneConfig,
    folder: Path,
    on_step: Callable[[TuneInfo], None] = lambda _: None,
) -> None:
    """Tunes ``backbone`` in place. ``weights`` are the shares of the lists in a batch; ``organs`` the organ of a case.

    The state lies in ``folder`` (`STATE`); a run with the same folder goes on from it. Raises `DataError`.
    """
    if not any(len(d) for d in datasets):
        raise DataError("There is nothing to tune the backbone on; check the lists.")
    torch.manual_seed(config.seed)
    store = TileStore(datasets, weights, config.seed)
    named = sorted(set(organs.values()))
    organ_of = torch.tensor([named.index(organs[p.case]) if p.case in organs else -1 for p in store.pairs])
    net = TunableLite0(backbone, config.frozen_blocks)
    sample = store.plain(store.draw(-1, min(1500, len(store.pairs))))
    with torch.no_grad():
        features = torch.cat([pooled(net(_as_input(sample[i : i + 50]))) for i in range(0, len(sample), 50)])
    heads = Heads(Whitening.of(features, 0.1), Whitening.of(texts.vectors, 0.1), len(named))
    optimizer = torch.optim.AdamW(_groups(net, heads, config), betas=(0.9, 0.98))
    ema = {name: parameter.detach().clone() for name, parameter in _learned(net).items()}
    done = _load(folder / STATE, net, heads, optimizer, ema)
    for step in range(done, config.steps):
        seed = config.seed + 1 + step
        torch.manual_seed(seed)
        chosen = store.draw(step, config.batch)
        views = stain_views(store.plain(chosen), config.px, config.scale, torch.Generator().manual_seed(seed))
        info = _step(net, heads, optimizer, store, texts, organ_of, chosen, _as_input(views), config, step)
        decay = min(config.ema, (1 + step) / (20 + step))
        with torch.no_grad():
            for name, parameter in _learned(net).items():
                ema[name].mul_(decay).add_(parameter, alpha=1 - decay)
        on_step(info)
        if (step + 1) % config.save_steps == 0 or step + 1 == config.steps:
            _save(folder / STATE, net, heads, optimizer, ema, step + 1)
    net.load_state_dict(ema, strict=False)  # the running mean of what learns; the rest is as it was
    net.write_to(backbone)


def save_backbone(backbone: EfficientNetLite0, file: Path) -> None:
    """Writes the weights as ``[model] image_weights`` reads them."""
    save_file({name: tensor.contiguous() for name, tensor in backbone.state_dict().items()}, file)


def _step(
    net: TunableLite0,
    heads: Heads,
    optimizer: torch.optim.AdamW,
    store: TileStore,
    texts: TextTable,
    organ_of: Tensor,
    chosen: NDArray[np.int64],
    pixels: Tensor,
    config: TuneConfig,
    step: int,
) -> TuneInfo:
    rate = min(1.0, (step + 1) / config.warmup)
    rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / config.steps))
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * rate
    rng = np.random.default_rng([config.seed, 7, step])
    said = texts.rows([store.text(i, rng) for i in chosen])
    asked = texts.rows(store.one_phrase_per_term(rng))
    images = heads.image(pooled(net(pixels)))
    noise = 0.1 * torch.randn(len(said) + len(asked), texts.vectors.shape[1])
    words = heads.text(texts.vectors[torch.cat([said, asked])], noise)
    scale = heads.log_scale.exp().clamp(max=100)
    target = soft_target(store.same(chosen) | (said[:, None] == said[None]), texts.likeness(said), config.soft)
    contrast = soft_contrast(scale * images @ words[: len(said)].T, target)
    terms, organs = images.new_zeros(()), images.new_zeros(())
    wanted = store.terms[torch.from_numpy(chosen)]
    told = wanted.sum(1) > 0
    if told.any() and len(asked):
        found = (scale * images[told] @ words[len(said) :].T).log_softmax(1)
        terms = -((found * wanted[told]).sum(1) / wanted[told].sum(1)).mean()
    organ = organ_of[torch.from_numpy(chosen)]
    if (organ >= 0).any():
        organs = F.cross_entropy(heads.organ(images * 8), organ, ignore_index=-1, label_smoothing=0.1)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(contrast + config.weight_terms * terms + config.weight_organs * organs)
    for module in (net, heads):
        nn.utils.clip_grad_norm_([p for p in module.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    return TuneInfo(step + 1, *(float(loss.detach()) for loss in (contrast, terms, organs)))


def soft_target(same: Tensor, likeness: Tensor, soft: float) -> Tensor:
    """Rows that sum to 1 [B, B]: ``1 - soft`` shared by what belongs together, the rest by likeness of the texts."""
    hard = same.float() / same.float().sum(1, keepdim=True)
    return (1 - soft) * hard + soft * (likeness / 0.08).softmax(1)


def _as_input(views: Tensor) -> Tensor:
    """float [B, 3, H, W] in 0 to 255 as the backbone takes them."""
    return ((views - 127) / 128).bfloat16().contiguous(memory_format=torch.channels_last)


def _learned(net: TunableLite0) -> dict[str, nn.Parameter]:
    return {name: p for name, p in net.named_parameters() if p.requires_grad}


def _groups(net: TunableLite0, heads: Heads, config: TuneConfig) -> list[dict[str, object]]:
    last = len(net.blocks) - 1
    groups: list[dict[str, object]] = []
    for number, block in enumerate(net.blocks):
        rate = config.rate * config.layer_decay ** (last - number)
        params = [p for p in block.parameters() if p.requires_grad]
        if params:
            groups.append({"params": params, "lr": rate, "base_lr": rate, "weight_decay": 0.01})
    groups.append(
        {
            "params": list(heads.parameters()),
            "lr": config.head_rate,
            "base_lr": config.head_rate,
            "weight_decay": 0.05,
        }
    )
    return groups


def _save(
    file: Path, net: TunableLite0, heads: Heads, optimizer: torch.optim.AdamW, ema: dict[str, Tensor], step: int
) -> None:
    tensors = {f"net.{n}": t for n, t in net.state_dict().items()}
    tensors |= {f"heads.{n}": t for n, t in heads.state_dict().items()}
    tensors |= {f"ema.{n}": t for n, t in ema.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optim.{number}.{key}": torch.as_tensor(value) for key, value in state.items()}
    write_tensors(file, tensors, {"step": str(step)})


def _load(file: Path, net: TunableLite0, heads: Heads, optimizer: torch.optim.AdamW, ema: dict[str, Tensor]) -> int:
    """Puts a saved state back; the steps done, 0 where there is none."""
    if not file.is_file():
        return 0
    tensors, metadata = read_tensors(file)
    for prefix, module in (("net", net), ("heads", heads)):
        start = f"{prefix}."
        module.load_state_dict({n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optim."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = tensor
        elif name.startswith("ema."):
            ema[name.removeprefix("ema.")] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"])
