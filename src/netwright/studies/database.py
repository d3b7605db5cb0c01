"""Optuna's storage on PostgreSQL, with statements of our own for what a study with many trials and workers does all the time.

Optuna begins a trial with two statements for each parameter and attribute, counts all trials before it while it holds the study's
lock, and reads with six statements: four workers then spend 100 ms and more on a trial, and more with every trial. The tables and
what they hold are Optuna's own, so its tools read these studies too.
"""

from __future__ import annotations

import itertools
import json
import math
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

PAGE = 2000  # trials that are read at a time: of a large study not all need be in memory twice
ATTEMPTS = 6  # to open a database
# a database whose machine vanished is noticed within a minute or two
_LIVELY = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# what the server does for each of our connections. A worker whose machine vanished or froze in the middle of an operation holds a
# row that all others wait for: it loses its connection within a minute. One that waits longer says so and tries again.
SESSION = {
    "tcp_keepalives_idle": "15s",
    "tcp_keepalives_interval": "10s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "45s",
    "idle_in_transaction_session_timeout": "45s",
    "lock_timeout": "60s",
}
_DISTRIBUTION = """
SELECT distribution_json FROM trial_params JOIN trials USING (trial_id)
WHERE study_id = %(study)s AND param_name = %(name)s LIMIT 1
"""
_LOCK = "SELECT 1 FROM studies WHERE study_id = %(study)s FOR UPDATE"
# `study_id + 0` keeps the planner from the index of a study's trials: it would read all of them. The newest are at the end of the
# primary key, and have the greatest numbers: both are given out under the study's lock.
_CREATE = """
WITH made AS (
  INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
  VALUES (
    coalesce((SELECT number + 1 FROM trials WHERE study_id + 0 = %(study)s ORDER BY trial_id DESC LIMIT 1), 0),
    %(study)s, %(state)s, %(started)s, %(ended)s
  ) RETURNING trial_id
), attributes AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value FROM made, json_each_text(%(attributes)s::json)
), parameters AS (
  INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT trial_id, name, value, distribution
  FROM made, json_to_recordset(%(parameters)s::json) AS given (name text, value float8, distribution text)
)
SELECT trial_id FROM made
"""
_END = """
WITH ended AS (
  UPDATE trials SET state = %(state)s, datetime_complete = %(ended)s
  WHERE trial_id = %(trial)s AND state = 'RUNNING' RETURNING trial_id
), attributes AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value FROM ended, json_each_text(%(attributes)s::json)
  ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json
), results AS (
  INSERT INTO trial_values (trial_id, objective, value, value_type)
  SELECT trial_id, place - 1, value, 'FINITE' FROM ended, unnest(%(values)s::float8[]) WITH ORDINALITY AS given (value, place)
)
SELECT trial_id FROM ended
"""
_ATTRIBUTE = """
INSERT INTO trial_user_attributes (trial_id, key, value_json)
SELECT trial_id, %(key)s, %(text)s FROM trials WHERE trial_id = %(trial)s AND state = 'RUNNING'
ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json RETURNING trial_id
"""
_REPORT = """
INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
SELECT trial_id, %(step)s, %(value)s, 'FINITE' FROM trials WHERE trial_id = %(trial)s AND state = 'RUNNING'
ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value RETURNING trial_id
"""
_SETTLE = """
INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (%(study)s, %(key)s, %(text)s)
ON CONFLICT (study_id, key) DO NOTHING
"""
_RAISE = """
INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (%(study)s, %(key)s, %(text)s)
ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json
WHERE study_user_attributes.value_json::numeric < excluded.value_json::numeric
"""
_NEWS = """
WITH news AS (
  (SELECT trial_id, number, state, datetime_complete, TRUE AS fresh FROM trials
   WHERE trial_id > %(after)s AND study_id + 0 = %(study)s ORDER BY trial_id LIMIT %(page)s)
  UNION ALL
  SELECT trial_id, number, state, datetime_complete, FALSE FROM trials WHERE trial_id = ANY(%(watched)s)
)
SELECT trial_id, number, state::text, datetime_complete,
  (SELECT json_object_agg(key, value_json) FROM trial_user_attributes a
   WHERE a.trial_id = news.trial_id AND (fresh OR key <> %(known)s)),
  (SELECT json_agg(coalesce(value::text, value_type::text) ORDER BY objective)
   FROM trial_values v WHERE v.trial_id = news.trial_id),
  (SELECT json_object_agg(step, coalesce(intermediate_value::text, intermediate_value_type::text))
   FROM trial_intermediate_values i WHERE i.trial_id = news.trial_id)
FROM news ORDER BY number
"""
_NO_NUMBER = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}  # Optuna's words for what it does not store as numbers


class Database(RDBStorage):
    """A PostgreSQL database that holds studies. Operations raise SQLAlchemy's errors while it is away, none is repeated."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import event
        from sqlalchemy.exc import IntegrityError, ProgrammingError

        self._known: dict[tuple[int, str], BaseDistribution] = {}
        for attempt in itertools.count(1):
            try:
                # one connection for a worker, and a second one while its heart beats; a broken one shows when it is used
                super().__init__(url, engine_kwargs={"pool_size": 1, "max_overflow": 1, "connect_args": _LIVELY})
                break
            except Exception as error:
                if hasattr(self, "engine"):
                    self.engine.dispose()
                # another made the tables of an empty database meanwhile
                if attempt == ATTEMPTS or not isinstance(error, (IntegrityError, ProgrammingError)):
                    raise
                time.sleep(0.1 * attempt)
        event.listen(self.engine, "connect", _settings)
        self.engine.dispose()  # those that opened it are without
        weakref.finalize(self, self.engine.dispose)  # nobody needs to close it

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        made = template_trial
        if made is None or made.values or made.intermediate_values or made.system_attrs:
            return super().create_new_trial(study_id, template_trial)
        for name, distribution in made.distributions.items():
            self._check(study_id, name, distribution)
        given = {
            "study": study_id,
            "state": made.state.name,
            "started": _utc(made.datetime_start),
            "ended": _utc(made.datetime_complete),
            "attributes": _texts(made.user_attrs),
            "parameters": json.dumps([_parameter(made, name) for name in made.params]),
        }
        with self.engine.begin() as connection:
            if connection.exec_driver_sql(_LOCK, given).first() is None:
                raise KeyError(f"no study {study_id}")
            return int(connection.exec_driver_sql(_CREATE, given).scalar_one())

    def _check(self, study: int, name: str, distribution: BaseDistribution) -> None:
        """Raise ValueError for a parameter that others of its name in the study cannot be compared with."""
        known = self._known.get((study, name))
        if known is None:
            with self.engine.begin() as connection:
                found = connection.exec_driver_sql(_DISTRIBUTION, {"study": study, "name": name}).scalar()
            known = self._known[study, name] = json_to_distribution(found) if found else distribution
        check_distribution_compatibility(known, distribution)

    def end_trial(self, trial_id: int, state: TrialState, attributes: Mapping[str, Any], values: Sequence[float] | None) -> None:
        """End a running trial with attributes and (finite) values, all or nothing.

        Raises UpdateFinishedTrialError for one that has ended.
        """
        if not all(map(math.isfinite, values or ())):
            raise ValueError(f"trial {trial_id} ends with {values}, expected finite values")
        given = {
            "trial": trial_id,
            "state": state.name,
            "ended": _utc(datetime.now(UTC)),
            "attributes": _texts(attributes),
            "values": list(values or ()),
        }
        self._running(_END, given)

    def settle(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of a study that has none of the name: of several at once the first."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_SETTLE, {"study": study_id, "key": key, "text": json.dumps(value)})

    def raise_to(self, study_id: int, key: str, value: int) -> None:
        """Set an attribute of a study to a number, unless it is a larger one."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_RAISE, {"study": study_id, "key": key, "text": json.dumps(value)})

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._running(_ATTRIBUTE, {"trial": trial_id, "key": key, "text": json.dumps(value)})

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        if not math.isfinite(intermediate_value):
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)
            return
        self._running(_REPORT, {"trial": trial_id, "step": step, "value": intermediate_value})

    def _running(self, statement: str, given: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            if connection.exec_driver_sql(statement, given).first() is None:
                raise UpdateFinishedTrialError(f"trial {given['trial']} does not run")

    def news(self, study_id: int, after: int, watched: Collection[int], known: str) -> list[FrozenTrial]:
        """The first (at most 2,000) trials that began after the one whose identity is `after`, and the `watched` ones, by number.

        Watched ones come without the attribute `known`, which never changes; none has Optuna's parameters.
        """
        given = {"study": study_id, "after": after, "watched": list(watched), "known": known, "page": PAGE}
        with self.engine.begin() as connection:
            rows = connection.exec_driver_sql(_NEWS, given).all()
        return [_frozen(*row) for row in rows]


def _settings(connection: Any, record: object) -> None:
    """Make a new connection one of ours (see `SESSION`)."""
    words = ", ".join([f"set_config('{name}', '{value}', false)" for name, value in SESSION.items()])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {words}")
    connection.commit()


def _texts(attributes: Mapping[str, Any]) -> str:
    """Attributes as one JSON object of texts, as Optuna stores each; psycopg takes far longer to write an array of texts."""
    return json.dumps({key: json.dumps(value) for key, value in attributes.items()})


def _parameter(trial: FrozenTrial, name: str) -> dict[str, Any]:
    distribution = trial.distributions[name]
    value = float(distribution.to_internal_repr(trial.params[name]))
    return {"name": name, "value": value, "distribution": distribution_to_json(distribution)}


def _utc(moment: datetime | None) -> datetime | None:
    """As Optuna's tables hold it: without a time zone."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _frozen(
    identity: int,
    number: int,
    state: str,
    ended: datetime | None,
    attributes: dict[str, str] | None,
    values: list[str] | None,
    curve: dict[str, str] | None,
) -> FrozenTrial:
    complete = None if ended is None else ended.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
    return FrozenTrial(
        number=number,
        state=TrialState[state],
        value=None,
        values=None if values is None else [_number(text) for text in values],
        datetime_start=None,
        datetime_complete=complete,
        params={},
        distributions={},
        user_attrs={key: json.loads(text) for key, text in (attributes or {}).items()},
        system_attrs={},
        intermediate_values={int(step): _number(text) for step, text in (curve or {}).items()},
        trial_id=identity,
    )


def _number(text: str) -> float:
    return _NO_NUMBER[text] if text in _NO_NUMBER else float(text)
