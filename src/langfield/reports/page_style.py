"""How pages look and the one script they carry. Both hold neither < nor &, so that a page is well-formed XML too."""

# Text against its background: at least 4.5 to 1 in light and in dark (tested).
STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --card: #f5f6f8; --ink: #1b1f24; --soft: #57606a; --rule: #d0d7de;
  --link: #0b5fb0; --good: #17692e; --bad: #b42318; --bad-row: #fdf0ee; --answer: #ffffff;
  --c0: #0b5fb0; --c1: #b4480f; --c2: #17692e; --c3: #8a2f9c; --c4: #8a6100; --c5: #57606a; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1318; --card: #191f27; --ink: #e6edf3; --soft: #a3adb8;
  --rule: #333c47; --link: #7cc0ff; --good: #57d37c; --bad: #ff9a91; --bad-row: #2c1a1a;
  --c0: #7cc0ff; --c1: #ffab70; --c2: #57d37c; --c3: #dda0f0; --c4: #e3c04d; --c5: #a3adb8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 52rem; }
a { color: var(--link); }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
.facts, .cards { display: grid; gap: .75rem; margin: 1rem 0; padding: 0; }
.facts { grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .15rem 1.5rem; }
.facts div { display: flex; gap: .5rem; overflow-wrap: anywhere; }
.facts dt { color: var(--soft); white-space: nowrap; } .facts dt::after { content: ":"; } .facts dd { margin: 0; }
.cards { grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem; }
.card dt { color: var(--soft); font-size: .85rem; } .card dd { margin: 0; }
.card .value { font-size: 1.45rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card .note { color: var(--soft); font-size: .8rem; }
.row { margin: 1.25rem 0 1.75rem; break-inside: avoid; }
.row header { display: flex; flex-wrap: wrap; gap: .1rem .8rem; align-items: baseline; margin-bottom: .4rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: .6rem; }
figure { margin: 0; min-width: 0; }
.pictures figure { max-width: 30rem; }
.picture { position: relative; display: block; }
.picture img { display: block; width: 100%; height: auto; border-radius: .3rem; background: var(--card); }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picture svg * { fill: none; vector-effect: non-scaling-stroke; }
.under { stroke: #000000; stroke-width: 5px; stroke-opacity: .55; } .over { stroke: #ffffff; stroke-width: 2px; }
.truth { stroke: #ffe14d; stroke-width: 2px; stroke-dasharray: 6 4; }
.truth-under { stroke: #000000; stroke-width: 3.5px; stroke-opacity: .55; }
.scale { display: grid; grid-template-columns: auto minmax(6rem, 16rem) auto; gap: .5rem; align-items: center;
  font-size: .85rem; color: var(--soft); margin: .5rem 0; }
.scale img { width: 100%; height: .8rem; display: block; border-radius: .2rem; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { background: var(--card); font-weight: 600; } tbody th { background: none; font-weight: 500; }
td.n, th.n { text-align: right; white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; }
th button:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " \\25b2"; font-size: .7em; }
th[aria-sort="descending"] button::after { content: " \\25bc"; font-size: .7em; }
tr.wrong td, tr.wrong th { background: var(--bad-row); }
tbody tr { break-inside: avoid; }
.best { font-weight: 700; }
.phrase { min-width: 9rem; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1.5rem; }
.chart { overflow-x: auto; } .chart svg { display: block; width: 100%; min-width: 24rem; height: auto; }
.half { max-width: 36rem; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg text.label { fill: var(--ink); }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.split { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.s0 { stroke: var(--c0); } .line.s1 { stroke: var(--c1); stroke-dasharray: 7 3; }
.line.s2 { stroke: var(--c2); stroke-dasharray: 2 3; } .line.s3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
.line.s4 { stroke: var(--c4); stroke-dasharray: 12 4; } .line.s5 { stroke: var(--c5); stroke-dasharray: 4 4; }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); }
.f4 { fill: var(--c4); } .f5 { fill: var(--c5); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .3rem 0 0; padding: 0;
  font-size: .9rem; }
.legend li { overflow-wrap: anywhere; }
.legend li::before { content: ""; display: inline-block; width: 1.4rem; height: .55rem; margin-right: .4rem;
  border-radius: .15rem; background: var(--c0); }
.legend .s1::before { background: var(--c1); } .legend .s2::before { background: var(--c2); }
.legend .s3::before { background: var(--c3); } .legend .s4::before { background: var(--c4); }
.legend .s5::before { background: var(--c5); }
.bar { width: 100%; height: 1.5rem; display: block; border-radius: .3rem; background: var(--card); }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .8rem; overflow-x: auto;
  font-size: .82rem; line-height: 1.4; max-height: 32rem; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
summary { cursor: pointer; margin: .6rem 0; color: var(--link); }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } h2 { break-after: avoid; }
  pre { max-height: none; white-space: pre-wrap; overflow-wrap: anywhere; } .table, .chart { overflow: visible; }
  .chart svg { min-width: 0; } details::details-content { content-visibility: visible; display: block; }
  .pictures { grid-template-columns: repeat(3, 1fr); } * { print-color-adjust: exact; } }
"""

# Sorts the rows of each table marked so by the column whose header is pressed; without scripts the headers are text.
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const order = (a, b) => {
    if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b);
  };
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      const missing = rows.filter(([key]) => key === null);
      const given = rows.filter(([key]) => key !== null).sort(([a], [b]) => down ? order(b, a) : order(a, b));
      body.append(...[...given, ...missing].map(([, row]) => row));
    });
  });
}
"""
