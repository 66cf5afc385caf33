"""The model card of a trained model: what it learned from, how, how it did, and what it is not for."""

from __future__ import annotations

from collections.abc import Sequence

from lile_engine.model.config import LileConfig
from lile_engine.training.config import TrainConfig
from lile_engine.training.pairs import PairDataset
from lile_engine.training.state import RunRecord


def write_card(
    config: TrainConfig,
    lile: LileConfig,
    datasets: Sequence[PairDataset],
    origin: str,
    old_card: str,
    record: RunRecord,
) -> str:
    """Markdown. Names no file, slide or case: the card travels with the model, the pairs do not."""
    pairs = sum(len(d) for d in datasets)
    captions = len({c for d in datasets for p in d.pairs for c in (*p.captions, *p.phrases)})
    frozen = [
        n
        for n, f in (("image backbone", config.optim.image_backbone), ("text encoder", config.optim.text_encoder))
        if not f
    ]
    lines = [
        f"# {lile.name}",
        "",
        "A LILE image-text model (after Maleki and Tizhoosh, MIDL 2022). **Research use only; not for diagnosis.**",
        "",
        "## Training",
        "",
        f"- Started from: {origin}",
        f"- Learned from {pairs} pairs with {captions} different texts",
        f"- {record.step} steps of {config.optim.batch}, learning rate {config.optim.lr:g}, "
        f"lambda {config.loss.weight_self:g}, loss {config.loss.kind}",
        f"- Frozen: {', '.join(frozen) or 'nothing'}",
    ]
    if record.best is not None:
        best = next(v for v in record.validations if v["step"] == record.best_step)
        lines += [
            f"- Validation (pairs kept out, stage one): RSUM {record.best:.1f} of 600, "
            f"recall@1 {best['i2t_r1']:.3f} image to text, {best['t2i_r1']:.3f} text to image, "
            f"at step {record.best_step}",
        ]
    lines += [
        "",
        "The pairs were chosen by the user of the program; nobody else has checked this model.",
    ]
    if old_card:
        lines += ["", "## Card of the model that it started from", "", *_deeper(old_card)]
    return "\n".join(lines) + "\n"


def _deeper(card: str) -> list[str]:
    """The headings two levels down, so that the old card reads as a part of the new one."""
    return [f"##{line}" if line.startswith("#") else line for line in card.strip().splitlines()]
