"""What the Lab room asks for, computed: landscapes, tracks of optimizers over them, tuning, exports and the notes' figures."""

from __future__ import annotations

import base64
import json

import numpy as np
from numpy.typing import NDArray

from netwright.lab.figures import FIGURES, figure
from netwright.lab.landscapes import LANDSCAPES, Landscape
from netwright.lab.many import can_share
from netwright.lab.methods import NAMES, Method
from netwright.lab.picture import Figure, races_figure
from netwright.lab.racing import Race, race
from netwright.lab.starting import starting
from netwright.lab.tracks import Track, tracks
from netwright.lab.trajectory import run
from netwright.lab.tuning import tuned
from netwright.lab.views import plane_of, window_around
from netwright.progress import Step
from netwright.report.charts import COLOURS, THEMES, Window, contour_lines, to_png
from netwright.web.exchange import Plain, Workbench
from netwright.web.jobs import Job
from netwright.web.lab_asked import LANDSCAPE_SETTINGS, MOST, SETTINGS, Asked, asked_window, defaults_of, many_asked, word

_LONG = 2500  # steps of optimizers, about a second: more is a long action


def walked(workbench: Workbench, question: Plain) -> Plain:
    """Tracks; where they take long, a long action that gives them."""
    asked = Asked.of(question)
    if asked.steps <= _LONG:
        return raced(asked)
    return workbench.jobs.start("a race", lambda job: raced(asked, job))


def tuning(workbench: Workbench, question: Plain) -> Plain:
    """A long action that gives the best settings of the grid for each optimizer."""
    asked = Asked.of(question)
    return workbench.jobs.start("tuning", lambda job: _tuned(asked, job))


def exported(workbench: Workbench, question: Plain) -> Plain:
    """A long action that gives what is shown as a file; with `tune` optimizers of one start are tuned first."""
    asked, form = many_asked(question), word(question, "form", tuple(_TYPES))
    tune = question.get("tune") is True and all(len(one.starts) == 1 for one in asked)
    return workbench.jobs.start("an export", lambda job: _exported(asked, form, tune, job))


def drawn(workbench: Workbench, question: Plain) -> Plain:
    """A long action that gives a figure of the notes or of the lab, in all forms."""
    name = word(question, "name", tuple(FIGURES))
    return workbench.jobs.start(f"figure {name}", lambda job: _figure(name, job))


def about() -> Plain:
    """What there is to choose from."""
    places = [
        {"name": name, "settings": {key: getattr(place, key) for key in LANDSCAPE_SETTINGS if hasattr(place, key)}}
        for name, place in LANDSCAPES.items()
        if name != "rotated-canyon"  # the canyon, rotated
    ]
    methods = [{"name": name, "settings": defaults_of(Method(name)), "colour": _colour(name)} for name in NAMES]
    figures = [{"name": name, "told": told} for name, (told, _) in FIGURES.items()]
    return {"landscapes": places, "optimizers": methods, "settings": list(SETTINGS), "figures": figures, "most": MOST}


def _colour(name: str) -> str:
    """An optimizer's colour in all charts: one that CSS knows, or the theme's word for it."""
    colour = COLOURS[name]
    return colour if isinstance(colour, str) else str(colour.expr)


def scene(question: Plain) -> Plain:
    """A landscape as it is drawn, and the settings that each optimizer begins with on it."""
    asked = Asked.of(question)
    place = asked.landscape
    given = asked_window(question)
    window: Window = given or _usual_window(place)
    digits = _digits(window)
    plane = plane_of(place, window)
    lines = [{"share": round(share, 4), "points": _flat(line, digits)} for share, line in contour_lines(plane)]
    return {
        "told": str(place),
        "window": window,
        "contours": lines,
        "minima": place.minima,
        "start": place.start,
        "reach": place.reach,
        "starting": {name: starting(place, name) for name in NAMES},
    }


def _usual_window(place: Landscape) -> Window:
    """Around what momentum does from the usual start: it swings the farthest."""
    (track,) = tracks(place, Method("momentum", starting(place, "momentum")), [place.start], budget=100)
    return window_around(place, [place.start, *((float(x), float(y)) for x, y in track.places)])


def raced(asked: Asked, job: Job | None = None) -> Plain:
    """The tracks of each optimizer from each start; of the one that is followed, its updates with their numbers."""
    made, rows, done = [], [], 0
    shares = [1 if can_share(method) else len(asked.starts) for method in asked.methods]  # of the walking
    for method, share in zip(asked.methods, shares, strict=True):
        found = tracks(
            asked.landscape,
            method,
            asked.starts,
            budget=asked.budget,
            seed=asked.seed,
            noise=asked.noise,
            step=_going_on(job, done, sum(shares)) if job else None,
        )
        done += share
        if job:
            job.step(done, sum(shares), method.name)
        made += [_track(method, start, track, asked.landscape) for start, track in enumerate(found)]
        rows.append({"optimizer": method.name, "settings": method.told(), "ended": found[0].ended})
    return {"tracks": made, "rows": rows, "formulas": _formulas(asked)}


def _going_on(job: Job, before: int, total: int) -> Step:
    """Tells a job how far its work is once a part of it, which begins after `before` of `total`, has done so many."""

    def step(done: int, of: int, word: str = "") -> None:
        job.step(before + done, total, word)

    return step


def _track(method: Method, start: int, track: Track, place: Landscape) -> Plain:
    return {
        "name": method.name,
        "start": start,
        "places": _flat(track.places, _digits(window_around(place, [place.start])) + 2),
        "losses": [float(f"{value:.5g}") for value in (track.losses - place.lowest).tolist()],
        "evaluations": track.evaluations.tolist(),
        "ended": track.ended,
    }


def _formulas(asked: Asked) -> list[str]:
    """The updates of the optimizer that is followed, from the first start; none for the start itself."""
    for method in asked.methods:
        if method.name == asked.follow:
            made = run(asked.landscape, method, start=asked.starts[0], budget=asked.budget, seed=asked.seed, noise=asked.noise)
            return [step.formula for step in made.steps]
    return []


def _tuned(asked: Asked, job: Job) -> Plain:
    made = {}
    for number, method in enumerate(asked.methods):
        job.step(number, len(asked.methods), method.name)
        found = tuned(asked.landscape, method, start=asked.starts[0], budget=asked.budget, seed=asked.seed, noise=asked.noise)
        made[method.name] = {"settings": {name: found.method.settings[name] for name in found.grid}, "told": found.told()}
    return made


_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "html": "text/html",
    "json": "application/json",
    "csv": "text/csv",
}


def _exported(asked: list[Asked], form: str, tune: bool, job: Job) -> Plain:
    races: list[Race] = []
    total = sum(len(one.starts) for one in asked)
    for one in asked:
        for start in one.starts:
            job.step(len(races), total + 1, "running")
            races.append(_race(one, start, tune))
    job.step(total, total + 1, "drawing")
    return _file(races_figure(races), form)


def _race(asked: Asked, start: tuple[float, float], tune: bool) -> Race:
    left = ("lr", "momentum") if tune else ()  # to tuning
    settings = {m.name: {key: value for key, value in m.settings.items() if key not in left} for m in asked.methods}
    return race(
        asked.landscape,
        list(settings),
        start=start,
        budget=asked.budget,
        seed=asked.seed,
        noise=asked.noise,
        settings=settings,
        tune=tune,
    )


def _file(made: Figure, form: str) -> Plain:
    """A figure as a file to keep: its name, its type, and its content in base 64."""
    content = {
        "svg": lambda: made.svg.encode(),
        "png": lambda: to_png(made.svg),
        "html": lambda: made.html.encode(),
        "json": lambda: (json.dumps(made.to_json(), indent=1) + "\n").encode(),
        "csv": lambda: made.csv.encode(),
    }[form]()
    return {"name": f"netwright-{made.name}.{form}", "type": _TYPES[form], "content": base64.b64encode(content).decode()}


def _figure(name: str, job: Job) -> Plain:
    job.say("computing")
    made = figure(name)
    job.say("drawing")
    files = [_file(made, form) for form in ("svg", "png", "csv", "json")]
    shown = {theme: made.drawn(theme) for theme in THEMES}
    return {"title": made.title, "caption": made.caption, "shown": shown, "files": files}


def _digits(window: Window) -> int:
    """Decimals that a thousandth of a px of a window needs."""
    return max(0, int(6 - np.floor(np.log10(max(window[1] - window[0], 1e-12)))))


def _flat(places: NDArray[np.float64], digits: int) -> list[float]:
    """(n, 2) -> x, y, x, y, ..."""
    return np.round(places, digits).ravel().tolist()
