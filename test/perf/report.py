# SPDX-License-Identifier: BSD-3-Clause
"""Reports of compare's samples: tables, targets, chart."""

import re
import statistics

from cases import CASES, OURS, TARGETS, UNITS
from cores import spread


def value(row):
    """The unit of a case: millions of frames per second, nanoseconds or per cent."""
    kind = CASES[row["case"]].kind
    if kind == "cpu":
        return row["cpu"]
    if kind == "ns":
        return row["p50_ns"]
    if kind == "both":
        return (row["rx_pps"] + row["tx_pps"]) / 1e6
    return row["slice_p90_pps"] / 1e6 if row["busy"] and "slice_p90_pps" in row else (
        row["rx_pps"] / 1e6)


def summary_of(rows):
    """Of the samples of one switch in one case."""
    own = [r["busy_cycles"] for r in rows if "busy_cycles" in r]
    return {**spread([value(r) for r in rows]),
            "cycles": statistics.median(r["cycles"] for r in rows),
            "own": statistics.median(own) if own else 0}


def summarise(rows):
    """Median, least and most by case, core class and peer."""
    table = {}
    for row in rows:
        if "failed" not in row and row["class"] != "mixed":
            peers = table.setdefault((row["case"], row["class"]), {})
            peers.setdefault(row["peer"], []).append(row)
    return {key: {name: summary_of(v) for name, v in peers.items()}
            for key, peers in table.items()}


def ratio(peers, base, name, kind):
    """How many times better the first peer is, or nothing."""
    if base not in peers or name == base or kind == "cpu":
        return ""
    a, b = peers[base]["median"], peers[name]["median"]
    if kind == "ns":
        a, b = b, a
    return f"{a / b:.2f}" if b > 0 else ""


def table_rows(summary, base):
    """Cells of the table, as text."""
    for (case, cls), peers in summary.items():
        kind = CASES[case].kind
        for name, s in peers.items():
            cycles = f"{s['cycles']:.0f}" if kind == "mpps" and s["cycles"] else ""
            yield (case, cls, name, UNITS[kind], f"{s['median']:.2f}", f"{s['min']:.2f}",
                   f"{s['max']:.2f}", cycles, str(s["n"]), ratio(peers, base, name, kind))


def head(base):
    return ("case", "cores", "peer", "unit", "median", "min", "max", "cycles/frame", "n",
            f"{base} is x times")


def where(raw):
    """The machine it was measured on, without the kernel's full release."""
    return re.sub(r"(Linux \d+\.\d+)\S*", r"\1", raw["machine"])


# --- targets ---

def other_of(summary, target, cls):
    """The figure it is compared with, in words and as a row of the summary; KeyError: not measured."""
    peers = summary[target.other or target.case, cls]
    name = target.peer or OURS
    if name == "best":
        peers = {p: s for p, s in peers.items() if p not in (OURS, "limit")}
        name = max(peers, key=lambda p: peers[p]["median"], default="")
    return " ".join(filter(None, (target.other, target.peer and name))), peers[name]


def times(target, ours, theirs):
    """How many times better ours is."""
    if target.cycles:
        return theirs["own"] / ours["cycles"]
    if CASES[target.case].kind == "ns":
        return theirs["median"] / ours["median"]
    return ours["median"] / theirs["median"] if theirs["median"] else float("inf")


def judged(summary, target, cls):
    """Cells of a row, or None: not measured in this class."""
    try:
        ours = summary[target.case, cls][OURS]
        if not target.peer and not target.other:
            unit = UNITS[CASES[target.case].kind]
            return (target.case, cls, f"at most {target.need:g} {unit}", f"{ours['median']:.4g}",
                    "met" if ours["median"] <= target.need else "missed")
        what, theirs = other_of(summary, target, cls)
    except KeyError:
        return None
    got = times(target, ours, theirs)
    how = ", by cycles of the core" if target.cycles else ""
    return (target.case, cls, f"at least {target.need:.3g} x {what}{how}", f"{got:.2f}",
            "met" if got >= target.need else "missed")


TARGET_HEAD = ("case", "cores", "target", "measured", "verdict")


def target_rows(summary):
    """By figures of the nearest cores there are, as those of the targets."""
    for target in TARGETS:
        found = (judged(summary, target, cls) for cls in ("near", "far"))
        row = next(filter(None, found), None)
        if row is not None:
            yield row


def limit_notes(summary):
    """Cycles of the limit's server itself: where that is less, its rate was the client's."""
    return [f"{case} ({cls}) {peers['limit']['own']:.0f}" for (case, cls), peers in summary.items()
            if "limit" in peers and CASES[case].kind == "mpps"]


# --- output ---

def aligned(rows, left):
    """Rows in columns, the first ones flush left."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i < left else c.rjust(w)
                               for i, (c, w) in enumerate(zip(r, widths))).rstrip()
                     for r in rows) + "\n"


def format_tables(summary, base):
    text = aligned([head(base), *table_rows(summary, base)], 4)
    targets = [TARGET_HEAD, *target_rows(summary)]
    if len(targets) > 1:
        text += "\n" + aligned(targets, 3)
    notes = limit_notes(summary)
    if notes:
        text += "\nlimit, cycles/frame of its own: " + ", ".join(notes) + "\n"
    return text


def markdown_table(head_row, rows, left):
    lines = [head_row, ["---"] * left + ["---:"] * (len(head_row) - left), *rows]
    return ["| " + " | ".join(row) + " |" for row in lines]


def markdown(raw, summary, base):
    lines = [f"{where(raw)}; {raw['date']}; {raw['arguments']['duration']} s a sample.", ""]
    lines += markdown_table(head(base), table_rows(summary, base), 4)
    notes = limit_notes(summary)
    if notes:
        lines += ["", "Cycles a frame the server of `limit` needed itself: " +
                  ", ".join(notes) + ". If it reached fewer frames, the client was the limit."]
    lines += ["", "![Mpps by case and switch](performance.svg)", "", "### Targets", ""]
    lines += markdown_table(TARGET_HEAD, target_rows(summary), 3)
    return "\n".join(lines) + "\n"


def update(path, text, name="compare"):
    """Replace what is between the markers of that name in a document."""
    old = path.read_text(encoding="utf8")
    begin, end = f"<!-- {name} begin -->\n", f"<!-- {name} end -->"
    before, rest = old.split(begin, 1)
    path.write_text(before + begin + text + end + rest.split(end, 1)[1], encoding="utf8")


def csv(rows):
    """The samples, for other programs."""
    lines = ["case,peer,class,unit,value,cycles,distance_before_ns,distance_after_ns"]
    for row in rows:
        if "failed" not in row:
            lines.append(f"{row['case']},{row['peer']},{row['class']},"
                         f"{UNITS[CASES[row['case']].kind]},{value(row):.4f},{row['cycles']:.2f},"
                         f"{row['distance_ns'][0]},{row['distance_ns'][1]}")
    return "\n".join(lines) + "\n"


COLOURS = ["#2a6f97", "#e09f3e", "#9e2a2b", "#8d99ae"]


def chart(summary, peers):  # pylint: disable=too-many-locals
    """Horizontal bars, one group per case; whiskers from least to most."""
    groups = [(k, v) for k, v in summary.items() if CASES[k[0]].kind in ("mpps", "both")]
    row, gap, left, width = 16, 14, 190, 560
    most = max((s["max"] for _, v in groups for s in v.values()), default=1) or 1
    height = 50 + sum(len(v) * row + gap for _, v in groups)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for i, name in enumerate(peers):
        out.append(f'<rect x="{left + i * 120}" y="10" width="12" height="12" '
                   f'fill="{COLOURS[i % len(COLOURS)]}"/>'
                   f'<text x="{left + 18 + i * 120}" y="20">{name}</text>')
    out.append(f'<text x="{left + width}" y="20">Mpps, median</text>')
    y = 40
    for (case, cls), v in groups:
        out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{case} ({cls})</text>')
        for name in (p for p in peers if p in v):
            s, c = v[name], COLOURS[peers.index(name) % len(COLOURS)]
            w, lo, hi = (width * s[k] / most for k in ("median", "min", "max"))
            out.append(f'<rect x="{left}" y="{y}" width="{w:.1f}" height="{row - 3}" fill="{c}"/>'
                       f'<path d="M{left + lo:.1f} {y + 6.5}H{left + hi:.1f}" stroke="black"/>'
                       f'<text x="{left + hi + 6:.1f}" y="{y + 11}">{s["median"]:.1f}</text>')
            y += row
        y += gap
    return "\n".join(out + ["</svg>"]) + "\n"
