"""Self-contained pages: style, tables that sort, pictures."""

import base64
import html
import io
from collections.abc import Sequence

from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto;
       padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; } .wide td { white-space: nowrap; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
table.sortable th { cursor: pointer; }
img { max-width: 100%; } .note { color: #555; }
.failures { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr));
            gap: 1rem; }
.failures figure { margin: 0; padding: .6rem; border: 1px solid #ddd;
                   border-radius: 6px; }
.failures img { width: 100%; image-rendering: pixelated; border-radius: 4px; }
.bar { display: grid; grid-template-columns: 5.5rem 1fr 2.6rem; gap: .4rem;
       font-size: .82rem; align-items: center; }
.bar i { display: block; height: .55rem; background: #4278e2; border-radius: 2px; }
"""
# A click on a head sorts the rows by that column, largest first, then smallest.
_SORT = """
for (const head of document.querySelectorAll("table.sortable tr.heads th")) {
  head.addEventListener("click", () => {
    const table = head.closest("table");
    const at = [...head.parentNode.children].indexOf(head);
    const rows = [...table.querySelectorAll("tr.row")];
    const value = (row) => parseFloat(row.children[at].textContent);
    const up = head.dataset.up = head.dataset.up === "1" ? "0" : "1";
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
      return up === "1" ? y - x : x - y;
    }).forEach((row) => table.tBodies[0].append(row));
  });
}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """HTML of a page; nothing is loaded from elsewhere.

    Args:
      title: as text.
      parts: HTML.
    """
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        + "\n".join(parts)
        + f"<script>{_SORT}</script>\n"
    )


def sortable_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """HTML of a table of texts that a click on a head sorts."""
    lines = [_line("th", "heads", heads), *(_line("td", "row", row) for row in rows)]
    return f"<div class=wide><table class=sortable>{''.join(lines)}</table></div>"


def image_of(figure: Figure) -> str:
    """HTML of a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    return png_html(buffer)


def png_html(png: io.BytesIO) -> str:
    """HTML of a PNG file."""
    encoded = base64.b64encode(png.getvalue()).decode()
    return f'<img alt="" src="data:image/png;base64,{encoded}">'


def _line(cell: str, kind: str, texts: Sequence[str]) -> str:
    cells = "".join(f"<{cell}>{html.escape(text)}</{cell}>" for text in texts)
    return f"<tr class={kind}>{cells}</tr>"
