"""What a design space is: called on a pick, it gives a design or None. Named ones, a user's own, and refinements of both."""

from __future__ import annotations

import math
import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design, Value
from netwright.progress import Progress
from netwright.spaces.budgets import Limit
from netwright.spaces.domains import PLAIN, Choice
from netwright.spaces.pick import Pick, RefinedPick, stem_of, told
from netwright.spaces.sampling import Sample, sample

PROBES = 64  # draws that show which choices a space asks for


class Space(Value, abstract=True):
    """Base of design spaces: a value that is called on a `Pick` and returns a design, or None for a draw that is no member."""

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        from netwright.spaces.named import SPACES

        plain = {"classes": 1000, "resolution": 224}
        own = self.replace(**{key: value for key, value in plain.items() if key in self.fields()})
        return next((name for name, known in SPACES.items() if known == own), type(self).__name__)

    def __call__(self, pick: Pick) -> Design | None:
        """The design of these choices, None where they give no member of the space."""
        raise NotImplementedError

    @property
    def sized(self) -> bool:
        """Whether its designs each say for which image they are, in their `resolution`: then none is shown another one."""
        return False

    def admits(self, params: int, macs: int, acts: int) -> bool:
        """Whether a design that costs so much for one image is a member: what the choices alone do not tell."""
        return True

    def small_designs(self) -> Iterator[Design]:
        """Members of which one is the cheapest, where the space knows; else none."""
        return iter(())

    def at(self, image: int | None = None, classes: int | None = None) -> Space:
        """The same space for pictures of another size (px) and number of classes; None leaves it."""
        fields = self.fields()
        changes = {"resolution": image, "classes": classes}
        return self.replace(**{key: value for key, value in changes.items() if value is not None and key in fields})

    def sample(
        self,
        n: int,
        *,
        macs: Limit = None,
        params: Limit = None,
        acts: Limit = None,
        image: int | None = None,
        channels: int = 3,
        seed: int = 0,
        workers: int = 1,
        most_draws: int | None = None,
        progress: Progress | None = None,
    ) -> Sample:
        """n different networks within a budget: as `nw.spaces.sample`, which says more.

        >>> from netwright.spaces import anynetx_a
        >>> len(anynetx_a.sample(3, macs=("1M", "400M"), image=64))
        3
        """
        return sample(
            self,
            n,
            macs=macs,
            params=params,
            acts=acts,
            image=image,
            channels=channels,
            seed=seed,
            workers=workers,
            most_draws=most_draws,
            progress=progress,
        )

    def fixed(self, **values: Choice) -> Space:
        """The space with choices fixed: those of the name, or of all names that are it and a number (`width` for `width_1`).

        A fixed choice is not drawn. Raises NetwrightError for a name that the space does not ask for and a value that
        it does not take.

        >>> from netwright.spaces import anynetx_a
        >>> anynetx_a.fixed(depth=3, width_4=512)(Pick(random.Random(1))).depths
        (3, 3, 3, 3)
        """
        known = _names_asked(self)
        for name, value in values.items():
            if name not in known:
                raise NetwrightError(f"{self.name} asks for no choice {name!r}{did_you_mean(name, known) or _listed(known)}")
            if type(value) not in PLAIN or (isinstance(value, float) and not math.isfinite(value)):
                raise NetwrightError(f"{name} cannot be fixed to {value!r}: give a number or a word")
        refined = self._refined(tuple(values.items()), ())
        _names_asked(refined)  # a value that no draw takes shows here
        return refined

    def shared(self, *names: str) -> Space:
        """The space whose choices `name_1`, `name_2`, ... have one value, for each of the names.

        Raises NetwrightError for a name that is not several choices' stem, or whose choices have different bounds.

        >>> from netwright.spaces import anynetx_a
        >>> len(set(anynetx_a.shared("depth")(Pick(random.Random(1))).depths))
        1
        """
        counted = Counter(stem for name in _names_asked(self) if (stem := stem_of(name)) != name)
        stems = [stem for stem, count in counted.items() if count > 1]
        for name in names:
            if name not in stems:
                hint = did_you_mean(name, stems) or f"; there are {', '.join(sorted(stems)) or 'none'}"
                raise NetwrightError(f"{self.name} has no choices {name}_1, {name}_2, ... to share{hint}")
        refined = self._refined((), names)
        _names_asked(refined)
        return refined

    def _refined(self, values: tuple[tuple[str, Choice], ...], stems: tuple[str, ...]) -> RefinedSpace:
        return RefinedSpace(self, values, stems)


def _listed(known: set[str]) -> str:
    return f"; it asks for {', '.join(sorted(known))}"


def _names_asked(space: Space) -> set[str]:
    """The names of choices that a space asks for, and their stems, over some draws."""
    known: set[str] = set()
    for i in range(PROBES):
        pick = Pick(random.Random(i))
        space(pick)
        known |= set(pick.asked) | {stem_of(name) for name in pick.asked}
    return known


class RefinedSpace(Space):
    """A space with some choices fixed, and some shared."""

    space: Space
    values: tuple[tuple[str, int | float | str | bool], ...] = ()
    stems: tuple[str, ...] = ()
    called: str = ""  # the named space that it is, or was before it was refined further: anynetx_b

    @property
    def name(self) -> str:
        from netwright.spaces.named import SPACES

        named = SPACES.get(self.called)
        own = named.stems if isinstance(named, RefinedSpace) else ()
        rules = [f"{name}={value}" for name, value in self.values] + [f"shared {stem}" for stem in self.stems if stem not in own]
        base = self.called or self.space.name
        return f"{base} with {', '.join(rules)}" if rules else base

    def _refined(self, values: tuple[tuple[str, Choice], ...], stems: tuple[str, ...]) -> RefinedSpace:
        """One with all rules, so that a choice that is fixed is fixed for all that share it."""
        merged = tuple({**dict(self.values), **dict(values)}.items())
        return RefinedSpace(self.space, merged, tuple(dict.fromkeys([*self.stems, *stems])), self.called)

    def __call__(self, pick: Pick) -> Design | None:
        return self.space(RefinedPick(pick, dict(self.values), frozenset(self.stems)))

    @property
    def sized(self) -> bool:
        return self.space.sized

    def admits(self, params: int, macs: int, acts: int) -> bool:
        return self.space.admits(params, macs, acts)

    def at(self, image: int | None = None, classes: int | None = None) -> Space:
        return RefinedSpace(self.space.at(image, classes), self.values, self.stems, self.called)

    def replace(self, **changes: Any) -> RefinedSpace:
        """The same refinement of a space with some of its fields changed."""
        return RefinedSpace(self.space.replace(**changes), self.values, self.stems)


class OwnSpace(Space):
    """A user's own space: a function of a pick. `file` and `word` say where it was read from, '' for one of a program.

    Calling it raises NetwrightError, in one line with the file and the choices that led there, where the function
    raises or returns anything but a design or None. `classes` and `image` (px) replace those of its designs; 0: as they are.
    """

    function: object
    file: str = ""
    word: str = ""
    classes: int = 0
    image: int = 0

    def check(self) -> None:
        """Raise NetwrightError for what cannot be called."""
        if not callable(self.function):
            raise NetwrightError(f"{self.function!r} is no design space: give a name or a function space(pick) -> design")

    @property
    def name(self) -> str:
        if self.file:
            return f"{self.file}:{self.word}"
        return str(getattr(self.function, "__qualname__", None) or type(self.function).__name__)

    def __call__(self, pick: Pick) -> Design | None:
        function: Callable[[Pick], Any] = self.function  # type: ignore[assignment]
        try:
            made = function(pick)
        except Exception as error:
            text = f"{error}" if isinstance(error, NetwrightError) else f"{type(error).__name__}: {error}"
            raise NetwrightError(f"{self._place(error)} fails: {text} (choices: {told(pick.chosen)})") from error
        if made is not None and not isinstance(made, Design):
            shown = repr(made) if len(repr(made)) <= 60 else f"a {type(made).__name__}"
            raise NetwrightError(f"{self._place()} returned {shown}, expected a design or None (choices: {told(pick.chosen)})")
        if made is None or not (self.classes or self.image):
            return made
        changes = {name: v for name, v in {"classes": self.classes, "resolution": self.image}.items() if v}
        return made.replace(**{name: value for name, value in changes.items() if name in made.fields()})

    def at(self, image: int | None = None, classes: int | None = None) -> Space:
        return self.replace(image=image or self.image, classes=classes or self.classes)

    def _place(self, error: Exception | None = None) -> str:
        """The function with its file, and the line in that file where an error came up."""
        code = getattr(self.function, "__code__", None)
        file = self.file or (Path(code.co_filename).name if code is not None else "")
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        lines = [frame.lineno for frame in frames if code is not None and frame.filename == code.co_filename]
        place = self.name if self.file or not file else f"{file}:{self.name}"
        return f"the space {place}{f' (line {lines[-1]})' if lines else ''}"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.file:  # by reference: the function must be found in a module
            return OwnSpace, (self.function, self.file, self.word, self.classes, self.image)
        from netwright.spaces.named import read_space

        return _as_asked, (read_space, self.file, self.word, self.classes, self.image)


def _as_asked(read: Callable[[str], Space], file: str, word: str, classes: int, image: int) -> Space:
    """A space read from its file again, in another process."""
    return read(f"{file}:{word}").replace(classes=classes, image=image)
