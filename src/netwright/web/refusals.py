"""Refusals that the page shows where something was asked: answers like others, since browsers log what fails as an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVarTuple

from netwright.errors import FailedError, NetwrightError
from netwright.web.exchange import message_of

Asked = TypeVarTuple("Asked")


def told(answer: Callable[[*Asked], Any]) -> Callable[[*Asked], Any]:
    """`answer`, which where it refuses says so in one line: `{"refused": line}`. Failures stay failures."""

    @functools.wraps(answer)
    def answered(*asked: *Asked) -> Any:
        try:
            return answer(*asked)
        except FailedError:
            raise
        except NetwrightError as error:
            return {"refused": message_of(error)}

    return answered
