"""``lile search``, ``lile heatmap``, ``lile attention``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lile_engine.cli.archive import add_model_options, archive_model
from lile_engine.cli.output import add_output_options, emit_result, to_plain

if TYPE_CHECKING:
    from lile_engine.retrieval.query import Query


class _Part(argparse.Action):
    """Appends (kind, values), so that the parts of a question keep their order; checks how many values there are."""

    _COUNTS = {"text": (1, 2), "image": (1, 2), "region": (5, 6)}

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        kind = (option or "").lstrip("-")
        least, most = self._COUNTS[kind]
        if not least <= len(values) <= most:
            parser.error(f"argument {option}: takes {least} or {most} values (the last one is a weight)")
        for number in values[1:]:
            try:
                float(number)
            except ValueError:
                parser.error(f"argument {option}: {number!r} is not a number (put DIR first, and phrases in quotes)")
            if not abs(float(number)) <= 1e9:  # nan too: nothing could be found by it
                parser.error(f"argument {option}: {number} is out of range")
        namespace.parts = [*(getattr(namespace, "parts", None) or []), (kind, values)]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds this room's commands."""
    search = commands.add_parser(
        "search",
        help="ask an archive",
        description="--text, --image and --region may be repeated and make one question; a number behind one is its "
        'weight, below 0 for what is not wanted: --text "tumour" --text "necrosis" -0.5',
    )
    search.add_argument("dir", type=Path, metavar="DIR", help="the archive")
    search.add_argument("--text", nargs="+", action=_Part, metavar=("PHRASE", "WEIGHT"), help="a phrase")
    search.add_argument("--image", nargs="+", action=_Part, metavar=("FILE", "WEIGHT"), help="an image file")
    search.add_argument(
        "--region", nargs="+", action=_Part, metavar=("SLIDE X Y W H", "WEIGHT"), help="level-0 pixels of a slide"
    )
    search.add_argument("-k", type=int, default=20, metavar="N", help="number of hits")
    search.add_argument("--kind", choices=("patches", "captions", "cases"), default="patches")
    search.add_argument("--slide", action="append", default=[], help="only this slide (identity, name or path)")
    search.add_argument("--not-slide", action="append", default=[], help="not this slide")
    search.add_argument("--case", action="append", default=[], help="only this case")
    search.add_argument("--tag", action="append", default=[], help="only slides or captions with this tag")
    search.add_argument("--organ", action="append", default=[], help="only slides of this organ")
    search.add_argument("--slide-mpp", type=float, metavar="M", help="microns per pixel of a --region's slide")
    search.add_argument("--no-rerank", action="store_true", help="stage one only")
    add_model_options(search)
    add_output_options(search)
    search.set_defaults(run=_search, parts=None)

    heat = commands.add_parser("heatmap", help="how well a phrase fits each tile of a slide")
    heat.add_argument("dir", type=Path, metavar="DIR", help="the archive")
    heat.add_argument("slide", metavar="SLIDE", help="identity, name or path")
    heat.add_argument("--text", required=True, metavar="PHRASE")
    heat.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    heat.add_argument("--geojson", type=Path, metavar="FILE", help="also the tiles, with their values, for QuPath")
    heat.add_argument("--mpp", type=float, metavar="M", help="of the tiles (the finest there are)")
    add_model_options(heat)
    add_output_options(heat)
    heat.set_defaults(run=_heatmap)

    attend = commands.add_parser("attention", help="where the words of a phrase look in an image")
    attend.add_argument("--image", type=Path, required=True, metavar="FILE")
    attend.add_argument("--text", required=True, metavar="PHRASE")
    attend.add_argument("--word", help="one word of the phrase")
    attend.add_argument("--out", type=Path, metavar="FILE.png", help="the map over the image")
    add_model_options(attend)
    add_output_options(attend)
    attend.set_defaults(run=_attention)


def _question(args: argparse.Namespace) -> Query:
    from lile_engine.errors import QueryError
    from lile_engine.retrieval.query import Query, WeightedImage, WeightedRegion, WeightedText
    from lile_engine.slides import Region

    texts, images, regions = [], [], []
    for kind, values in args.parts or []:
        fixed = 5 if kind == "region" else 1
        weight = float(values[fixed]) if len(values) > fixed else 1.0
        if kind == "text":
            texts.append(WeightedText(values[0], weight))
        elif kind == "image":
            images.append(WeightedImage(values[0], weight))
        else:
            x, y, w, h = (float(value) for value in values[1:5])
            if w <= 0 or h <= 0:
                raise QueryError("A region needs a width and a height above 0.")
            regions.append(WeightedRegion(values[0], Region.rectangle(x, y, w, h), weight, args.slide_mpp))
    return Query(tuple(texts), tuple(images), tuple(regions))


def _search(args: argparse.Namespace) -> int:
    from lile_engine.archive import SearchFilter, open_archive
    from lile_engine.retrieval.search import check_content, check_number, search

    query = _question(args)
    query.check()
    check_number(args.k)
    wanted = SearchFilter(
        slides=tuple(args.slide), not_slides=tuple(args.not_slide), cases=tuple(args.case), tags=tuple(args.tag),
        organs=tuple(args.organ),
    )  # fmt: skip
    with open_archive(args.dir) as archive:
        check_content(archive, args.kind, wanted)
    model = archive_model(args)
    with open_archive(args.dir) as archive:
        result = search(archive, model, query, k=args.k, kind=args.kind, filter=wanted, rerank=not args.no_rerank)
    lines = []
    for number, hit in enumerate(result.hits, 1):
        place = f"{hit.slide}  x {hit.x} y {hit.y} size {hit.size}" if hit.x is not None else hit.slide or ""
        case = f"case {hit.case}" if hit.kind == "case" else ""
        lines.append(
            "  ".join(part for part in (f"{number:3} {hit.score:.3f}", case, place, hit.caption or "") if part)
        )
    lines += [f"({note})" for note in result.provenance.notes]
    emit_result(args, result.to_json(), "\n".join(lines))
    return 0


def _heatmap(args: argparse.Namespace) -> int:
    from lile_engine.archive import open_archive
    from lile_engine.retrieval.heatmap import heatmap
    from lile_engine.retrieval.pictures import write_heatmap, write_heatmap_geojson

    model = archive_model(args)
    with open_archive(args.dir) as archive:
        found = heatmap(archive, model, args.slide, args.text, mpp=args.mpp)
        row = archive.find_slide(args.slide)
    assert row is not None
    write_heatmap(found, row, args.out)
    if args.geojson is not None:
        write_heatmap_geojson(found, args.text, args.geojson)
    rows, columns = found.values.shape
    result = {
        "slide": row.path, "text": args.text, "out": str(args.out), "x": found.x, "y": found.y, "cell": found.cell,
        "mpp": found.mpp, "rows": rows, "columns": columns, "values": to_plain(found.values),
        "range": to_plain(found.range), "fits": found.fits,
    }  # fmt: skip
    poor = "; nothing here fits this phrase well" if found.fits is False else ""
    emit_result(args, result, f"wrote {args.out} ({columns} x {rows} tiles){poor}")
    return 0


def _attention(args: argparse.Namespace) -> int:
    from lile_engine.model.load import load_model
    from lile_engine.retrieval.attention import attention
    from lile_engine.retrieval.pictures import write_attention
    from lile_engine.retrieval.query import check_phrase, load_pixels

    check_phrase(args.text)
    pixels = load_pixels(args.image)
    found = attention(load_model(args.model, args.device), pixels, args.text, args.word)
    if args.out is not None:
        write_attention(found, pixels, args.out)
    result = {
        "image": str(args.image), "text": args.text, "word": to_plain(found.word), "words": to_plain(found.words),
        "grid": list(found.values.shape), "values": to_plain(found.values), "outside": found.outside,
        "out": str(args.out) if args.out is not None else None,
    }  # fmt: skip
    lines = [f"{word.weight:6.1%}  {word.text}" for word in found.words]
    emit_result(args, result, "\n".join(lines))
    return 0
