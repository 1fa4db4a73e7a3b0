"""The page's style and its one small script."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["POLICY", "SCRIPT", "STYLE"]

STYLE = """
:root{--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--fit:#116329;--attention:#7a4b00;
--unfit:#a40e26;--unknown:#424a53;
--c0:#0550ae;--c1:#8250df;--c2:#116329;--c3:#953800;--c4:#a40e26;--c5:#57606a}
@media (prefers-color-scheme:dark){:root{
--bg:#0d1117;--fg:#e6edf3;--soft:#9da7b3;--line:#30363d;--card:#161b22;--fit:#56d364;--attention:#e3b341;--unfit:#ff7b72;--unknown:#b1bac4;--c0:#79c0ff;--c1:#d2a8ff;--c2:#56d364;
--c3:#ffa657;--c4:#ff7b72;--c5:#9da7b3}}
*{box-sizing:border-box}html{color-scheme:light dark}
body{margin:0 auto;max-width:70rem;padding:1.5rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.35rem;margin:2.5rem 0 .3rem;padding-top:1rem;
border-top:2px solid var(--line);overflow-wrap:anywhere}h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0}a{color:var(--c0)}.soft,figcaption,caption{color:var(--soft);font-size:.9rem}
.answer{border-left:.4rem solid var(--unknown);background:var(--card);padding:.8rem 1rem;margin:1rem 0}
.answer strong{font-size:1.15rem}.fit{border-color:var(--fit)}.attention{border-color:var(--attention)}
.unfit{border-color:var(--unfit)}b.fit{color:var(--fit)}b.attention{color:var(--attention)}
b.unfit{color:var(--unfit)}b.unknown{color:var(--unknown)}
.cards{display:flex;flex-wrap:wrap;gap:.7rem;list-style:none;padding:0;margin:.8rem 0}
.cards li{background:var(--card);border:1px solid var(--line);border-radius:.4rem;
padding:.5rem .9rem;min-width:7rem}
.cards b{display:block;font-size:1.25rem}
.scroll{overflow-x:auto;margin:.6rem 0}table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding:.2rem 0}th,td{padding:.3rem .55rem;border-bottom:1px solid var(--line);
text-align:left;vertical-align:top;overflow-wrap:anywhere;max-width:28rem}
th{font-weight:600}tbody th{font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums;
overflow-wrap:normal}thead button{all:unset;cursor:pointer;font-weight:600}
thead button:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--c0)}
code{font:.9em ui-monospace,Consolas,Menlo,monospace;background:var(--card);border:1px solid var(--line);
border-radius:.25rem;padding:.05rem .3rem;overflow-wrap:anywhere}
details{margin:.5rem 0}summary{cursor:pointer}figure{margin:.8rem 0}
.chart{width:100%;height:auto;max-height:17rem}.chart text{fill:var(--soft);font:11px system-ui,sans-serif}
.chart .background{fill:none}.chart .guide,.chart .axis .line{stroke:var(--line);fill:none}
.chart .axis.y text{text-anchor:end}.chart .axis.x text{text-anchor:middle}
.chart .series .line{fill:none;stroke-width:2}.chart .nofill{fill:none}
.color-0 .line{stroke:var(--c0)}.color-1 .line{stroke:var(--c1)}.color-2 .line{stroke:var(--c2)}
.color-3 .line{stroke:var(--c3)}.color-4 .line{stroke:var(--c4)}.color-5 .line{stroke:var(--c5)}
.color-0 .dot,.color-0 .bar rect{fill:var(--c0)}.color-1 .dot{fill:var(--c1)}.color-2 .dot{fill:var(--c2)}
.color-3 .dot{fill:var(--c3)}.color-4 .dot{fill:var(--c4)}.color-5 .dot{fill:var(--c5)}
.key{margin-left:.9rem}.key::before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:.35em;
background:var(--c0)}.k1::before{background:var(--c1)}.k2::before{background:var(--c2)}
.k3::before{background:var(--c3)}.k4::before{background:var(--c4)}.k5::before{background:var(--c5)}
@media print{body{max-width:none;padding:0;font-size:11pt}
details::details-content{content-visibility:visible;display:block}
.scroll{overflow:visible}
tr,figure,.answer{break-inside:avoid}h2,h3{break-after:avoid}h2{break-before:auto}}
"""

SCRIPT = """
"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Sort by this column";
    head.replaceChildren(button);
    let up = false;
    button.addEventListener("click", () => {
      up = !up;
      const value = row => row.cells[place].textContent;
      const number = text => parseFloat(text.replace(/[~<>,%]/g, ""));
      const rows = [...body.rows].sort((a, b) => {
        const x = value(a), y = value(b), d = number(x) - number(y);
        return (up ? 1 : -1) * (Number.isNaN(d) ? x.localeCompare(y) : d);
      });
      body.append(...rows);
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}
"""
"""Sorting; the page is whole without it."""

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'"
)
"""The browser itself refuses to load anything, and to run any script but ours (CSP, level 3)."""
