"""The tools of the canvas: what the mouse does. One small class each, made by `make_tool`."""

from __future__ import annotations

from lile_desktop.viewer.tools.base import Pointer, Tool, ToolHost
from lile_desktop.viewer.tools.brush import BrushTool
from lile_desktop.viewer.tools.marks import PointsTool, PolylineTool
from lile_desktop.viewer.tools.move import MoveTool
from lile_desktop.viewer.tools.ruler import RulerTool
from lile_desktop.viewer.tools.shapes import EllipseTool, FreehandTool, PolygonTool, RectangleTool

TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (
        MoveTool,
        RectangleTool,
        EllipseTool,
        PolygonTool,
        FreehandTool,
        BrushTool,
        PointsTool,
        PolylineTool,
        RulerTool,
    )
}


def make_tool(name: str, host: ToolHost) -> Tool:
    """The tool of this name. Raises KeyError for a name not in `TOOLS`."""
    return TOOLS[name](host)


__all__ = ["TOOLS", "Pointer", "Tool", "ToolHost", "make_tool"]
