"""The Predict room's answers; torch is loaded when the first is asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from starlette.routing import Route

from netwright.web.exchange import Workbench, asking, reading, uploading
from netwright.web.refusals import told
from netwright.web.shelf import Shelf

if TYPE_CHECKING:
    from netwright.web.predict_answers import Predicting

MOST_BYTES = 20_000_000  # of a picture's file


def routes(workbench: Workbench) -> list[Route]:
    """Below /api/predict."""
    made: list[Predicting] = []
    lock = threading.Lock()

    def room() -> Predicting:
        from netwright.web.predict_answers import Predicting

        with lock:
            if not made:
                made.append(Predicting(Shelf(workbench.root), workbench.jobs))
        return made[0]

    return [
        reading("/runs", lambda question: room().runs()),
        reading("/runs/{id}", told(lambda question: room().about(question["id"]))),
        uploading("/runs/{id}/look", told(lambda data, words: room().look(data, words["id"], words.get("name", ""))), MOST_BYTES),
        asking("/map", told(lambda question: room().map(question))),
    ]
