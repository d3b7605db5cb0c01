"""Charts of populations: error distributions, trends of the parameters, error against cost; data in, Altair out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import numpy as np

from netwright.report.charts.theme import (
    BLUE,
    COLOURS,
    GREEN,
    HEIGHT,
    ORANGE,
    WIDTH,
    Chart,
    Rows,
    coloured,
    csv_data,
    dashed,
    shaped,
    themed,
)
from netwright.spaces.population import Population
from netwright.spaces.statistics import Band, Errors, edf, summary
from netwright.spaces.trends import Best, Trend, is_numeric

PANEL, PANEL_HEIGHT, COLUMNS = 190, 130, 4
MOST_DOTS = 300  # of a panel: more only hide each other
LONGEST_NAME = 44  # of a population in a legend
MOST_WORDS = 8  # of a panel


def short_name(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits, its middle left out."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def labels(names: Sequence[str]) -> list[str]:
    """Short names that still differ."""
    made = [short_name(name) for name in names]
    return [f"{i}: {label}" if made.count(label) > 1 else label for i, label in enumerate(made, 1)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """A domain around values in percent: at least half a point wide, so that equal errors do not stand on a frame."""
    low, high = min(values), max(values)
    room = max(0.04 * (high - low), 0.25)
    return max(0.0, low - room), min(100.0, high + room)


def _lines(shown: Sequence[str], title: str) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of labelled lines, with one legend below."""
    told = alt.Legend(
        orient="bottom",
        title=title,
        titleLimit=560,
        labelLimit=560,
        labelFontSize=12,
        columns=_columns(shown),
        symbolStrokeWidth=2.5,
        symbolSize=400,
        symbolType="stroke",
    )
    return alt.Color("label:N", scale=coloured(shown), legend=told), alt.StrokeDash("label:N", scale=dashed(shown), legend=told)


def _columns(shown: Sequence[str]) -> int:
    """How many labels fit beside each other."""
    longest = max(map(len, shown))
    return 1 if longest > 34 else 2 if longest > 18 else 4


def edf_chart(errors: Sequence[Errors], bands: Sequence[Band | None]) -> Chart:
    """EDFs of populations with their bands: the share of designs with a lower error over the error (%).

    The legend has n, lowest and mean error (%) of each, as in the figures of arXiv:2003.13678.
    """
    names = labels([one.name for one in errors])
    shown = [f"{name}: {summary(one).legend()}" for name, one in zip(names, errors, strict=True)]
    steps = [edf(one) for one in errors]
    low, high = _span([100 * float(e) for one in steps for e in (one.errors[0], one.errors[-1])])
    x = alt.X("error:Q", title="error (%)", scale=alt.Scale(domain=[low, high], nice=False))
    told = "share of designs with a lower error"
    curves: Rows = []
    layers: list[Chart] = []
    for i, (label, one, band) in enumerate(zip(shown, steps, bands, strict=True)):
        xs, ys = [low, *(100 * one.errors).tolist(), high], [0.0, *one.shares.tolist(), 1.0]
        curves += [{"label": label, "error": x, "share": y} for x, y in zip(xs, ys, strict=True)]
        if band is not None:
            lows, highs = [0.0, *band.low.tolist(), 1.0], [0.0, *band.high.tolist(), 1.0]
            rows = [{"error": x, "low": a, "high": b} for x, a, b in zip(xs, lows, highs, strict=True)]
            # of a plain colour: a scale's legend would be joined to the lines'
            area = alt.Chart(csv_data(rows)).mark_area(interpolate="step-after", opacity=0.16, color=COLOURS[i % len(COLOURS)])
            layers.append(area.encode(x=x, y=alt.Y("low:Q", title=told), y2="high:Q"))
    colour, dash = _lines(shown, "space: n | min | mean (error, %)")
    y = alt.Y("share:Q", title=told, scale=alt.Scale(domain=[0, 1]))
    line = alt.Chart(csv_data(curves)).mark_line(interpolate="step-after", strokeWidth=2.2)
    layers.append(line.encode(x=x, y=y, color=colour, strokeDash=dash))
    return themed(alt.layer(*layers).properties(width=WIDTH + 60, height=HEIGHT + 60))


def error_against_macs(populations: Sequence[Population]) -> Chart:
    """Error (%) of every complete member over its macs (millions)."""
    shown = labels([population.name for population in populations])
    rows: Rows = [
        {"label": label, "macs": member.macs / 1e6, "error": 100 * (member.error or 0.0)}
        for label, population in zip(shown, populations, strict=True)
        for member in population.complete
    ]
    low, high = _span([row["error"] for row in rows])
    macs = [row["macs"] for row in rows]
    room = 0.04 * (max(macs) - min(macs)) or 0.05 * max(macs) or 1
    told = alt.Legend(orient="bottom", title=None, labelLimit=560, columns=_columns(shown), labelFontSize=12)
    chart = alt.Chart(csv_data(rows)).mark_point(size=34 if len(rows) < 300 else 16, filled=True, opacity=0.6)
    made = chart.encode(
        x=alt.X(
            "macs:Q",
            title="macs for one image (millions)",
            scale=alt.Scale(domain=[min(macs) - room, max(macs) + room], nice=False),
        ),
        y=alt.Y("error:Q", title="error (%)", scale=alt.Scale(domain=[low, high], nice=False)),
        color=alt.Color("label:N", scale=coloured(shown), legend=told),
        shape=alt.Shape("label:N", scale=shaped(shown), legend=told),
    )
    return themed(made.properties(width=WIDTH + 60, height=HEIGHT))


# ---------------------------------------------------------------- trends


def trend_panels(
    population: Population, trends: dict[str, Trend], best: dict[str, Best], domain: tuple[float, float] | None = None
) -> dict[str, Chart]:
    """One small chart for each parameter that varies, by its name: the error (%) over the parameter.

    Dots are designs (the first 300); the line runs through the medians of groups of neighbours, bars are the medians' intervals;
    the shaded range holds the parameter of likely best designs, the thin line its median. `domain` is of the errors (shares),
    for populations that stand under each other.
    """
    low, high = domain or (float(population.errors.min()), float(population.errors.max()))
    span = _span([100 * low, 100 * high])
    return {name: _panel(population, one, best[name], span) for name, one in trends.items() if one.varies}


def trends_chart(population: Population, trends: dict[str, Trend], best: dict[str, Best]) -> Chart | None:
    """All panels of `trend_panels` as one chart, four to a row; None where no parameter varies."""
    panels = list(trend_panels(population, trends, best).values())
    rows = [alt.hconcat(*panels[i : i + COLUMNS], spacing=16) for i in range(0, len(panels), COLUMNS)]
    return themed(alt.vconcat(*rows, spacing=22)) if rows else None


def _panel(population: Population, trend: Trend, best: Best, span: tuple[float, float]) -> Chart:
    having = [member for member in population.complete if trend.parameter in member.parameters]
    values = [member.parameters[trend.parameter] for member in having]
    numeric = is_numeric(values)
    dots: Rows = [
        {"x": value if numeric else str(value), "error": 100 * (member.error or 0.0)}
        for value, member in list(zip(values, having, strict=True))[:MOST_DOTS]
    ]
    scale = alt.Scale(domain=list(span), nice=False, zero=False)
    y = alt.Y("error:Q", title="error (%)", scale=scale, axis=alt.Axis(tickCount=4, labelFontSize=10))
    draw = _over_numbers if numeric else _over_words
    panel = draw(dots, trend, best, y, [float(value) for value in values] if numeric else [])
    title = alt.TitleParams(_told(trend), fontSize=10, fontWeight="normal", anchor="start")
    return panel.properties(title=title, width=PANEL, height=PANEL_HEIGHT)


def _told(trend: Trend) -> str:
    some = f", {trend.n:,} of {trend.of:,}" if trend.n < trend.of else ""
    if trend.rank is None and len(trend.groups) > MOST_WORDS:
        some += f", {MOST_WORDS} of {len(trend.groups)} shown"
    if trend.rank is None and trend.words is None:
        return f"no test{some}"
    p = trend.p_holm if trend.p_holm is not None else 1.0
    told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return f"{f'rank correlation {trend.rank.statistic:+.2f}, ' if trend.rank else 'Kruskal-Wallis '}{told}{some}"


def _over_numbers(dots: Rows, trend: Trend, best: Best, y: alt.Y, values: Sequence[float]) -> Chart:
    low, high = min(values), max(values)
    wide = _is_log(values)
    ends = [low * 0.85, high / 0.85] if wide else [low - 0.05 * (high - low), high + 0.05 * (high - low)]
    scale = alt.Scale(domain=ends, type="log", base=2, nice=False) if wide else alt.Scale(domain=ends, nice=False, zero=False)
    form = "~s" if high >= 1e4 else "d" if all(float(value).is_integer() for value in values) else ".4~g"
    axis = alt.Axis(tickCount=4, values=_ticks(values, wide), grid=False, labelFontSize=10, format=form)
    x = alt.X("x:Q", title=short_name(trend.parameter, 28), scale=scale, axis=axis)
    layers = []
    if best.interval is not None:
        shade = _widened(best.interval, ends, wide)
        rect = alt.Chart(csv_data([{"x": shade[0], "x2": shade[1]}])).mark_rect(color=GREEN, opacity=0.18, clip=True)
        rule = alt.Chart(csv_data([{"x": best.interval[1]}])).mark_rule(color=GREEN, strokeWidth=1.4)
        layers += [rect.encode(x=x, x2="x2:Q"), rule.encode(x=x)]
    layers.append(alt.Chart(csv_data(dots)).mark_circle(size=14, opacity=0.4, color=BLUE).encode(x=x, y=y))
    groups, bars = _groups(trend)
    running = alt.Chart(csv_data(groups)).encode(x=x, y=y)
    layers.append(running.mark_line(color=ORANGE, strokeWidth=2, point=alt.OverlayMarkDef(color=ORANGE, size=22)))
    if bars:
        layers.append(alt.Chart(csv_data(bars)).mark_rule(color=ORANGE, strokeWidth=1.2).encode(x=x, y=y, y2="high:Q"))
    return alt.layer(*layers)


def _is_log(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis suits numbers: their range is wide, and their middle nearer to its geometric middle."""
    low, high, middle = min(values), max(values), float(np.median(values))
    return (
        low > 0 and high / low >= 8 and abs(math.log(middle / math.sqrt(low * high))) < abs(math.log(2 * middle / (low + high)))
    )


def _ticks(values: Sequence[float], wide: bool) -> list[float] | alt.UndefinedType:
    """Where an axis has its ticks: at the values, where these are few, or at some four powers of 2 or 10; else as Vega likes."""
    few = sorted(set(values))
    if len(few) < 5:
        return few
    if not wide:
        return alt.Undefined
    base = 2 if few[0] >= 1 else 10
    first, last = math.ceil(math.log(few[0], base)), math.floor(math.log(few[-1], base))
    return [float(base) ** k for k in range(first, last + 1, max(1, math.ceil((last - first + 1) / 5)))]


def _widened(interval: tuple[float, float, float], ends: Sequence[float], wide: bool) -> tuple[float, float]:
    """The interval's ends, at least a fiftieth of the panel apart."""
    low, _, high = interval
    if wide:
        factor = (ends[1] / ends[0]) ** 0.01
        return low / factor, high * factor
    room = 0.01 * (ends[1] - ends[0])
    return low - room, high + room


def _groups(trend: Trend) -> tuple[Rows, Rows]:
    """Medians of the groups, and their intervals where there are any, in percent."""
    medians = [{"x": group.centre, "error": 100 * group.quartiles[1]} for group in trend.groups]
    bars = [
        {"x": group.centre, "error": 100 * group.interval[0], "high": 100 * group.interval[1]}
        for group in trend.groups
        if group.interval is not None
    ]
    return medians, bars


def _over_words(dots: Rows, trend: Trend, best: Best, y: alt.Y, values: Sequence[float]) -> Chart:
    """One column for each word, the commonest first where there are too many; shaded by its share of likely best designs."""
    common = sorted(trend.groups, key=lambda group: -group.n)[:MOST_WORDS]
    order = [str(group.centre) for group in trend.groups if group in common]
    place = {word: i for i, word in enumerate(order)}
    names = [short_name(word, max(5, 40 // len(order)) if len(order) < 5 else 11) for word in order]
    told = "[" + ", ".join("'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in names) + "][datum.value]"
    ends = [-0.5, len(order) - 0.5]
    axis = alt.Axis(
        values=list(range(len(order))),
        labelExpr=told,
        labelOverlap=False,
        grid=False,
        labelFontSize=10,
        labelAngle=0 if len(order) < 5 else -40,
    )
    x = alt.X("x:Q", title=short_name(trend.parameter, 28), scale=alt.Scale(domain=ends, nice=False, zero=False), axis=axis)
    layers = []
    for word, share in best.shares.items():
        if word in place:
            i = place[word]
            rect = alt.Chart(csv_data([{"x": i - 0.45, "x2": i + 0.45}])).mark_rect(color=GREEN, opacity=0.36 * share)
            layers.append(rect.encode(x=x, x2="x2:Q"))
    spread = np.random.default_rng(0).uniform(-0.28, 0.28, len(dots))  # apart, so that dots do not hide each other
    apart = [
        {"x": place[dot["x"]] + float(shift), "error": dot["error"]}
        for dot, shift in zip(dots, spread, strict=True)
        if dot["x"] in place
    ]
    if apart:
        layers.append(alt.Chart(csv_data(apart)).mark_circle(size=14, opacity=0.4, color=BLUE).encode(x=x, y=y))
    medians, bars = _groups(trend)
    shown = [{**row, "x": place[row["x"]]} for row in medians if row["x"] in place]
    layers.append(
        alt.Chart(csv_data(shown)).mark_point(shape="stroke", color=ORANGE, size=420, strokeWidth=2.4, opacity=1).encode(x=x, y=y)
    )
    shown = [{**row, "x": place[row["x"]]} for row in bars if row["x"] in place]
    if shown:
        layers.append(alt.Chart(csv_data(shown)).mark_rule(color=ORANGE, strokeWidth=1.2).encode(x=x, y=y, y2="high:Q"))
    return alt.layer(*layers)


def told_fixed(trends: dict[str, Trend]) -> str:
    """The parameters that are the same in all designs: 'stem 32, group_width 16'; '' where there are none."""
    return ", ".join(
        f"{name} {one.groups[0].centre:g}" if isinstance(one.groups[0].centre, float) else f"{name} {one.groups[0].centre}"
        for name, one in trends.items()
        if not one.varies
    )
