"""The open real tiles that the bundled checkpoint learns from, as one list of image-caption pairs.

The pictures are no part of this repository; the folder is laid out as its own README says (``atlas/``, ``train/``,
``labelled/``). Sets under ``validate/`` are for measuring only and are never listed here.

    python -m lile_engine.training.open_data DATA OUT.jsonl [--without SOURCE ...]

writes rows of the pair format (image relative to DATA, ``captions``, ``tissues``, ``case``, ``source``), so that one
recipe serves the shipped model and its cross-validation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lile_engine.errors import DataError


@dataclass(frozen=True)
class OpenPair:
    """One real tile with what may be said of it.

    ``image`` is relative to the data folder; ``captions`` are true of this very tile; ``title`` is true of its slide
    only (empty if unknown); ``case`` keeps tiles of one patient on one side of a split (the file itself if unknown).
    """

    image: str
    captions: tuple[str, ...]
    tissues: tuple[str, ...]
    case: str
    source: str
    title: str = ""
    organ: str = ""
    stain: str = "H&E"
    mpp: float | None = None


# What a class of a labelled set is called, in several wordings. The first is the plain name.
CLASS_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "kather": {
        "adipose": ("adipose tissue", "fat cells", "mature adipocytes with clear cytoplasm and thin septa"),
        "background": ("empty background", "bare glass without tissue", "no tissue, blank slide"),
        "complex_stroma": (
            "complex stroma with single tumour cells and few immune cells",
            "stroma with scattered inflammatory and tumour cells",
            "desmoplastic stroma with scattered cells",
        ),
        "debris_mucus": ("debris and mucus", "necrotic debris, mucus and haemorrhage", "cell debris in mucin"),
        "lymphocytes": ("lymphocytes", "dense lymphoid infiltrate", "sheets of small round lymphoid cells"),
        "mucosa_glands": (
            "normal colonic mucosal glands",
            "normal mucosa with regular crypts",
            "benign colonic crypts with goblet cells",
        ),
        "simple_stroma": (
            "simple stroma of fibrous tissue and smooth muscle",
            "homogeneous tumour stroma with few cells",
            "pink fibrous stroma and smooth muscle",
        ),
        "tumour_epithelium": (
            "tumour epithelium of colorectal adenocarcinoma",
            "colorectal carcinoma epithelium",
            "malignant glandular epithelium",
        ),
    },
    "crc-val": {
        "adi": ("adipose tissue", "fat cells", "mature adipocytes with clear cytoplasm and thin septa"),
        "lym": ("lymphocytes", "dense lymphoid infiltrate", "sheets of small round lymphoid cells"),
        "muc": ("mucus", "pools of extracellular mucin", "pale wispy mucin"),
        "mus": ("smooth muscle", "bundles of smooth muscle fibres", "muscularis propria"),
        "norm": (
            "normal colon mucosa",
            "normal colonic crypts with goblet cells",
            "benign colonic mucosa with regular glands",
        ),
        "str": (
            "cancer-associated stroma",
            "desmoplastic stroma of a colorectal cancer",
            "fibrous tumour stroma with spindle cells",
        ),
        "tum": (
            "colorectal adenocarcinoma epithelium",
            "malignant colonic glands",
            "colorectal cancer, tumour epithelium",
        ),
    },
    "osteosarcoma": {
        "non-tumor": (
            "non-tumour tissue of bone and soft parts",
            "bone, cartilage, muscle or fat without tumour",
            "normal tissue beside an osteosarcoma",
        ),
        "non-viable-tumor": (
            "necrotic osteosarcoma",
            "non-viable tumour with necrosis after chemotherapy",
            "dead tumour, acellular osteoid and ghost cells",
        ),
        "viable": (
            "viable osteosarcoma",
            "viable tumour of atypical hyperchromatic cells",
            "cellular malignant bone tumour with osteoid",
        ),
    },
    "oral": {
        "normal": (
            "normal oral squamous epithelium",
            "benign stratified squamous epithelium of the oral mucosa",
            "oral mucosa without dysplasia",
        ),
        "oscc": (
            "oral squamous cell carcinoma",
            "invasive squamous cell carcinoma of the oral cavity",
            "malignant squamous epithelium with keratinization",
        ),
    },
    "pap": {
        "nilm": (
            "cervical smear negative for intraepithelial lesion or malignancy",
            "normal squamous cells in a liquid-based Pap smear",
            "cervical cytology, NILM",
        ),
        "lsil": (
            "cervical smear with low-grade squamous intraepithelial lesion",
            "koilocytes in a liquid-based Pap smear",
            "cervical cytology, LSIL",
        ),
        "hsil": (
            "cervical smear with high-grade squamous intraepithelial lesion",
            "small dysplastic cells with high nuclear-cytoplasmic ratio in a Pap smear",
            "cervical cytology, HSIL",
        ),
        "scc": (
            "cervical smear with squamous cell carcinoma",
            "malignant squamous cells in a liquid-based Pap smear",
            "cervical cytology, squamous cell carcinoma",
        ),
    },
}

_CAPTIONED_SETS = ("openstax", "eyepiece", "glomeruli", "tnbc", "camelyon", "ebhi", "blood", "aml")
_STAIN_OF = {"pap": "Papanicolaou stain", "blood": "May-Grunwald-Giemsa stain", "aml": "May-Grunwald-Giemsa stain"}


def open_pairs(data: Path, without: frozenset[str] = frozenset()) -> list[OpenPair]:
    """All pairs of the sets that may be learned from, without the sources named, in a fixed order.

    Raises `DataError` if ``data`` does not hold the sets.
    """
    if not (data / "atlas" / "captions.jsonl").is_file():
        raise DataError(f"{data} does not hold the open tiles (no atlas/captions.jsonl); name the folder that does.")
    readers: dict[str, Callable[[Path], Iterator[OpenPair]]] = {"atlas": _atlas}
    readers |= {name: _classes for name in ("kather", "crc-val", "osteosarcoma", "oral", "pap")}
    readers |= dict.fromkeys(_CAPTIONED_SETS, _captioned)
    pairs: list[OpenPair] = []
    for source, reader in readers.items():
        if source in without:
            continue
        folder = data / source if source == "atlas" else data / "train" / source
        if not folder.is_dir():
            folder = data / "labelled" / source
        for pair in reader(folder):
            relative = os.path.relpath(folder / pair.image, data)
            pairs.append(OpenPair(**{**pair.__dict__, "image": Path(relative).as_posix()}))
    return pairs


def _atlas(folder: Path) -> Iterator[OpenPair]:
    slides = {row["slide"]: row for row in _jsonl(folder / "slides.jsonl")}
    places = {row["file"]: row for row in _jsonl(folder / "tiles.jsonl")}
    for row in _jsonl(folder / "captions.jsonl"):
        slide = slides[row["file"].split("/")[0]]
        yield OpenPair(
            image=row["file"],
            captions=(row["caption"],),
            tissues=tuple(row["tissues"]),
            case=slide["case"],
            source="atlas",
            title=slide["title"],
            organ=slide["organ"],
            stain=slide["stain"],
            mpp=places[row["file"]]["mpp"],
        )


def _classes(folder: Path) -> Iterator[OpenPair]:
    source = folder.name
    phrases = CLASS_PHRASES[source]
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".jpg", ".png"}):
        name = path.parent.name if path.parent != folder else path.stem.rsplit("_", 1)[0]
        yield OpenPair(
            image=path.relative_to(folder).as_posix(),
            captions=phrases[name],
            tissues=(),
            case=f"{source}/{path.stem}",
            source=source,
            stain=_STAIN_OF.get(source, "H&E"),
        )


def _captioned(folder: Path) -> Iterator[OpenPair]:
    source = folder.name
    for row in _jsonl(folder / "captions.jsonl"):
        yield OpenPair(
            image=row["file"],
            captions=(row["caption"],),
            tissues=(),
            # Two views of one picture share a caption and a folder; keeping folders together splits no picture.
            case=f"{source}/{row['file'].split('/')[0]}",
            source=source,
            stain=_STAIN_OF.get(source, "H&E"),
        )


def _jsonl(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_manifest(pairs: list[OpenPair], path: Path) -> None:
    """Writes ``pairs`` as rows of the pair format."""
    with path.open("w", encoding="utf-8") as out:
        for pair in pairs:
            out.write(json.dumps(pair.__dict__, ensure_ascii=False) + "\n")


def main(argv: list[str] | None = None) -> int:
    """The command of this module."""
    parser = argparse.ArgumentParser(description="List the open real tiles as pairs.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="SOURCE")
    args = parser.parse_args(argv)
    pairs = open_pairs(args.data, frozenset(args.without))
    write_manifest(pairs, args.out)
    print(f"{len(pairs)} pairs of {len({pair.case for pair in pairs})} cases written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
