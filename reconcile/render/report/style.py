"""The report's style sheet: light, dark by the reader's own setting, and paper.

Contrast of text is at least 4.5 to 1 in both; on paper everything is dark on white, and no row or picture is torn.
"""

_LIGHT = """
--back: #ffffff; --panel: #f6f7f9; --text: #1b1f24; --quiet: #5a6370; --line: #d5dae1; --margin: #0b5cad;
--declared: #6b7480; --applied: #177245; --drift: #b3540c; --bad: #b3261e; --distance: #7a3fb0; --good: #177245;
--warn: #8a5300; --good-back: #e3f4ea; --bad-back: #fbe5e3
"""
_DARK = """
--back: #14171b; --panel: #1d2228; --text: #e4e8ed; --quiet: #9da7b3; --line: #353c45; --margin: #6cb0ff;
--declared: #97a1ad; --applied: #5bd08f; --drift: #f2a65a; --bad: #ff8a80; --distance: #c79bf2; --good: #5bd08f;
--warn: #e8b45a; --good-back: #17352a; --bad-back: #452221
"""
STYLE = f"""
:root {{ {_LIGHT}; color-scheme: light dark }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0; background: var(--back); color: var(--text); font: 14px/1.45 system-ui, sans-serif }}
main {{ max-width: 1280px; margin: 0 auto; padding: 24px 20px 48px }}
h1 {{ font-size: 24px; margin: 0 }}
h2 {{ font-size: 19px; margin: 36px 0 6px; break-after: avoid; padding-top: 14px; border-top: 2px solid var(--line) }}
h2 small {{ color: var(--quiet); font-weight: 400; font-size: 14px; margin-left: 6px }}
h3 {{ font-size: 15px; margin: 18px 0 6px }}
header p, .legend, .none, .chain {{ color: var(--quiet); margin: 4px 0 14px }}
code {{ font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere }}
a {{ color: var(--margin) }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
th, td {{ text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }}
th {{ color: var(--quiet); font-weight: 600; white-space: nowrap }}
th.n, td.n {{ text-align: right; white-space: nowrap }}
td:last-child {{ min-width: 12em; overflow-wrap: anywhere }}
time, td code {{ white-space: nowrap }}
tr.seen td {{ color: var(--quiet) }}
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 16px }}
.legend span {{ display: inline-flex; align-items: center; gap: 6px }}
.legend svg {{ height: 12px; width: auto; flex: none }}
.badge {{ display: inline-block; padding: 1px 8px; border-radius: 9px; font-weight: 600; font-size: 12px }}
.badge.good {{ background: var(--good-back) }}
.badge.quiet {{ background: var(--line); color: var(--text) }}
.badge.bad {{ background: var(--bad-back) }}
.good {{ color: var(--good) }}
.bad, h3.alarm, p.alarm {{ color: var(--bad) }}
.warn {{ color: var(--warn) }}
figure {{ margin: 12px 0; padding: 10px 14px 6px; background: var(--panel); border-radius: 8px; break-inside: avoid }}
figcaption {{ display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; color: var(--quiet) }}
figcaption h3 {{ margin: 0; color: var(--text) }}
figcaption b {{ color: var(--text) }}
.pictures {{ display: grid; grid-template-columns: 1fr 1fr; gap: 8px 20px; align-items: end }}
.pictures svg {{ width: 100%; height: auto; display: block }}
svg path, svg line, svg circle {{ vector-effect: non-scaling-stroke }}
.grid {{ stroke: var(--line); stroke-width: 1 }}
.scale {{ fill: var(--quiet); font-size: 9px }}
path.band {{ fill: var(--declared); fill-opacity: 0.18 }}
path.closed {{ fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 2 3 }}
path.cut {{ fill: none; stroke: var(--text); stroke-width: 1.5 }}
path.margin {{ fill: none; stroke: var(--margin); stroke-width: 2 }}
path.declared {{ fill: none; stroke: var(--declared); stroke-width: 1.5; stroke-dasharray: 5 4 }}
path.distance {{ fill: none; stroke: var(--distance); stroke-width: 2 }}
circle.applied {{ fill: var(--applied); stroke: var(--panel); stroke-width: 1.5 }}
path.drift {{ fill: var(--drift); stroke: var(--panel); stroke-width: 1.5 }}
path.unclear {{ fill: none; stroke: var(--bad); stroke-width: 2.5 }}
@media screen and (max-width: 760px) {{
main {{ padding: 16px 12px 32px }}
.pictures {{ grid-template-columns: 1fr }}
.scale {{ font-size: 12.5px }}
figure {{ padding: 10px 8px 6px }}
.wide {{ overflow: visible }}
table, tbody, tr {{ display: block; width: 100% }}
thead {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }}
tr {{ padding: 6px 0; border-bottom: 1px solid var(--line) }}
td, td.n, td:last-child {{ display: grid; grid-template-columns: 6.5em minmax(0, 1fr); gap: 0 10px; padding: 1px 0 }}
td, td.n {{ border: 0; text-align: left; white-space: normal; min-width: 0; overflow-wrap: anywhere }}
td .badge {{ justify-self: start }}
td::before {{ content: attr(data-name); color: var(--quiet) }}
td:empty {{ display: none }}
td time, td code {{ white-space: normal }}
}}
@media print {{
:root {{ {_LIGHT} }}
@page {{ size: A4 landscape; margin: 12mm }}
body {{ font-size: 10px; -webkit-print-color-adjust: exact; print-color-adjust: exact }}
main {{ max-width: none; padding: 0 }}
code {{ font-size: 9px }}
.wide {{ overflow: visible }}
th, td {{ padding: 3px 7px 3px 0 }}
td:last-child {{ min-width: 0 }}
tr, figure, p {{ break-inside: avoid }}
h2, h3 {{ break-after: avoid }}
thead {{ display: table-header-group }}
}}
"""
