"""Reports: a grid of promises and targets for the terminal, for machines, and for a browser."""

from __future__ import annotations

from pinvx_conformance._report._grid import Cell, Grid, grid_of
from pinvx_conformance._report._html import write_html
from pinvx_conformance._report._json import write_json
from pinvx_conformance._report._markdown import write_markdown
from pinvx_conformance._report._terminal import show

__all__ = ["Cell", "Grid", "grid_of", "show", "write_html", "write_json", "write_markdown"]
