"""``lile models``: the models at hand, where they come from, and what they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from lile_engine.cli.output import add_output_options, emit_result


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``models list|import|card|export|delete``."""
    models = commands.add_parser("models", help="list, import, export and delete models")
    jobs = models.add_subparsers(dest="models_command", metavar="COMMAND", required=True)

    listing = jobs.add_parser("list", help="the bundled model and your own")
    listing.set_defaults(run=_list)

    bring = jobs.add_parser("import", help="copy a model folder, an exported zip or a file of weights in")
    bring.add_argument("source", type=Path, help="folder, .zip, .pth, .bin or .safetensors")
    bring.add_argument("--name", help="what to call it (default: the name of the source)")
    bring.set_defaults(run=_import)

    card = jobs.add_parser("card", help="what a model learned from and how well it does")
    card.add_argument("model", nargs="?", help="name or folder (default: the bundled model)")
    card.set_defaults(run=_card)

    export = jobs.add_parser("export", help="copy a model out, to a folder or a .zip")
    export.add_argument("model", help="name or folder")
    export.add_argument("target", type=Path, help="a new folder, or a new file ending in .zip")
    export.set_defaults(run=_export)

    delete = jobs.add_parser("delete", help="delete one of your own models")
    delete.add_argument("model", help="name")
    delete.set_defaults(run=_delete)

    for parser in (listing, bring, card, export, delete):
        add_output_options(parser)


def _list(args: argparse.Namespace) -> int:
    from lile_engine.model.library import list_models

    entries = list_models()
    lines = [
        f"{e.name:24} {e.kind:20} {e.megabytes:8.1f} MB  {'bundled' if e.bundled else e.path}"
        + ("" if e.usable else "  (start weights only)")
        for e in entries
    ]
    emit_result(args, {"models": entries}, "\n".join(lines) or "No models; import one with: lile models import FOLDER")
    return 0


def _import(args: argparse.Namespace) -> int:
    from lile_engine.model.library import import_model

    entry = import_model(args.source, args.name)
    emit_result(args, entry, f"Imported {entry.name} ({entry.kind}, {entry.megabytes} MB) into {entry.path}")
    return 0


def _card(args: argparse.Namespace) -> int:
    from lile_engine.model.library import model_card
    from lile_engine.model.load import resolve_model

    folder = resolve_model(args.model)
    text = model_card(folder)
    emit_result(args, {"path": str(folder), "card": text}, text.rstrip("\n"))
    return 0


def _export(args: argparse.Namespace) -> int:
    from lile_engine.model.library import export_model
    from lile_engine.model.load import resolve_model

    folder = resolve_model(args.model)
    export_model(folder, args.target)
    emit_result(args, {"path": str(args.target)}, f"Exported {folder.name} to {args.target}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    from lile_engine.model.library import delete_model

    delete_model(args.model)
    emit_result(args, {"deleted": args.model}, f"Deleted {args.model}")
    return 0
