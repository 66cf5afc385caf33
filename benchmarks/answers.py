"""How good the answers are: every set of real tiles by words, the atlas in five folds, what is said to be unknown.

    python benchmarks/answers.py --real PATH --work DIR [--phantoms DIR] [--cache DIR] [--model DIR] [--choices]
        [--trials] [--out FILE.md]

Measures the shipped model as it is, and refits of its second stage (closed form and some contrast on the cached
features of its backbone, `answers_fit`) that have not seen a fold, a set, an organ or a kind of tissue. Everything
lies in DIR; features and refits that are there are not made again. ``--phantoms`` is a folder of
`phantom.pairs.write_pairs`, ``--cache`` the features of a training (`lile_base.py` keeps them in its own DIR). Prints
the tables as Markdown, or writes them to ``--out``. An hour from nothing on two cores, ten minutes with the features.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from answers_atlas import caption_recall, neighbours, slide_answers, term_accuracy
from answers_choices import choice_table
from answers_data import Texts, Tiles, load
from answers_distances import distance_table
from answers_fit import Heads, Refit, ready, refit
from answers_outside import outside_tables
from answers_plans import fold_of, plans
from answers_sets import recall_of, recall_text, set_table, shipped_asker, shipped_phrases
from answers_trials import TRIAL_COLUMNS, trial_table
from answers_worded import wording_table
from lile_base import SHARES
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from lile_engine.paths import private_dir, resources_dir


def refits_of(tiles: Tiles, texts: Texts, work: Path) -> dict[str, Refit]:
    """All refits of `answers_plans.plans`, from the folder where they lie."""
    found = {}
    for name, keep in plans(tiles).items():
        found[name] = kept_refit(tiles, texts, keep, private_dir(work / "refits") / f"{name}.safetensors")
    return found


def kept_refit(tiles: Tiles, texts: Texts, keep: NDArray[np.bool_], file: Path, steps: int = 200) -> Refit:
    """A refit, read from ``file`` where it lies there."""
    if not file.is_file():
        share = SHARES["atlas"] / max(1, len(tiles.of("atlas")))
        shares = {**SHARES, "atlas-heldout": share * len(tiles.of("atlas-heldout"))}
        save_file(refit(tiles, texts, keep, shares, steps=steps).heads.state_dict(), file)
    state = load_file(file)
    parts = [state[k] for k in ("image", "image_mean", "image_gain", "text", "text_mean")]
    heads = Heads(*parts)
    heads.load_state_dict(state)
    return ready(heads, tiles, texts, keep)


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def report(tiles: Tiles, texts: Texts, refits: dict[str, Refit]) -> str:
    """All tables."""
    fold, shipped, asker = fold_of(tiles), shipped_phrases(texts), shipped_asker(tiles, texts)
    parts = ["## Sets by class phrases: balanced accuracy\n"]
    rows = [(n, str(c), str(t), *columns) for n, c, t, columns in set_table(tiles, texts, refits, fold)]
    header = ("set", "classes", "tiles", "shipped, as it is", "refit, cross-validated", "refit, such sets left out")
    parts.append(table((*header, "refit, their organs left out too"), rows))
    print(parts[-1], flush=True)
    parts.append("\n## The same in other people's words\n")
    header = ("set", "measured on", "phrases as they stand", "as shipped", "worst of five, as they stand", "as shipped")
    parts.append(table(header, list(wording_table(tiles, texts, refits, fold))))
    print(parts[-1], flush=True)
    parts.append("\n## Captions: recall at 1 / 5 / 10 (95 % of R@10)\n")
    rows = []
    for n, found in enumerate(caption_recall(tiles, refits, fold)):
        rows.append((f"atlas, 384 tiles of the cases of fold {n}", "refit without the fold", *recall_text(found)))
    held = tiles.of("atlas-heldout")
    held = held[np.random.default_rng(0).permutation(len(held))[:384]]
    known = {"shipped": (lambda at: tiles.vectors[at], shipped)}
    for name in ("without class sets", "without blood and lung"):
        refit_ = refits[name]
        known[f"refit {name}"] = (lambda at, r=refit_: r.pictures(tiles.pooled[at, 0]), refit_.phrases)
    for told, at in (
        ("atlas, 384 tiles of the sixteen cases that the shipped model has not seen", held),
        ("PathoLearn, never trained on", tiles.of("patholearn")),
        ("blood and lung (hemepulm), never trained on", tiles.of("hemepulm")),
    ):
        for name, (pictures, phrases) in known.items():
            if name != "refit without blood and lung" or "hemepulm" in told:
                rows.append((told, name, *recall_text(recall_of(tiles, at, pictures(at), phrases))))
    parts.append(table(("pictures", "model", "picture to caption", "caption to picture"), rows))
    print(parts[-1], flush=True)
    parts.append("\n## Atlas: tissue terms of tiles, organs and titles of slides, neighbours\n")
    rows = [(f"term of a tile, 15 terms: {n}", str(m)) for n, m in term_accuracy(tiles, refits, fold, asker).items()]
    rows += [(f"slide, 8 tiles: {n}", m) for n, m in slide_answers(tiles, refits, fold).items()]
    rows += [(f"ten nearest tiles: {n}", m) for n, m in neighbours(tiles, refits, fold).items()]
    parts.append(table(("measured, cases not seen", "share right (95 %)"), rows))
    print(parts[-1], flush=True)
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the bundled one unless named")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("LILE_REAL_DATA", beside)))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--phantoms", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--choices", action="store_true", help="also what choices of the recipe bring (30 refits)")
    parser.add_argument("--trials", action="store_true", help="also what the trials bring (57 refits, an hour)")
    parser.add_argument("--distances", action="store_true", help="also other ways to tell what was left out")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    private_dir(args.work)
    cache, captions = args.cache or args.work / "features", resources_dir() / "training"
    tiles, texts, _ = load(args.model, args.real, args.work, args.phantoms, cache, captions)
    texts.pooled(sorted({text for pair in tiles.pairs for text in (*pair.captions, *pair.phrases) if text}))
    refits = refits_of(tiles, texts, args.work)
    told = report(tiles, texts, refits)

    def refit_of(keep: NDArray[np.bool_], name: str) -> Refit:
        return kept_refit(tiles, texts, keep, args.work / "refits" / f"{name}.safetensors")

    for title, header, rows in outside_tables(tiles, texts, refits, refit_of):
        told += f"\n\n## {title}\n\n{table(header, rows)}"
    if args.distances:
        header = ("score", "all kinds together", "mean over kinds", "gain over kinds", "new marked at one in ten")
        told += f"\n\n## Other ways to tell kinds left out\n\n{table(header, distance_table(tiles, refit_of))}"
    if args.choices:
        header = ("refit", "atlas R@10", "15 terms", "kather", "crc-val", "osteosarcoma")
        told += f"\n\n## Choices\n\n{table(header, list(choice_table(tiles, texts, SHARES)))}"
    if args.trials:
        told += f"\n\n## Trials\n\n{table(TRIAL_COLUMNS, list(trial_table(tiles, texts, SHARES)))}"
    if args.out:
        args.out.write_text(told + "\n", encoding="utf-8")
    else:
        print(told)


if __name__ == "__main__":
    main()
