"""A journal's news are what a reading of all trials gives."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import JournalStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from netwright.studies.storage import JournalFile, open_storage


def test_a_journals_news_are_what_optuna_reads(tmp_path: Path) -> None:
    ours, writer = open_storage(tmp_path, new=True), open_storage(tmp_path, new=True)
    assert isinstance(ours, JournalFile)
    other, study = (writer.create_new_study([StudyDirection.MAXIMIZE], name) for name in ("other", "one"))
    made = []
    for _ in range(4):
        writer.create_new_trial(other)
        made.append(writer.create_new_trial(study))
    writer.set_trial_state_values(made[1], TrialState.COMPLETE, [0.5])
    everything = JournalStorage.get_all_trials(ours, study)
    assert ours.news(study, -1, (), "") == everything
    assert ours.news(study, made[1], (), "") == everything[2:]
    assert ours.news(study, made[2], [made[1], made[0]], "") == [everything[0], everything[1], everything[3]]
    assert ours.news(study, made[3], (), "") == []
    writer.set_trial_state_values(made[0], TrialState.FAIL)
    assert [trial.state for trial in ours.news(study, made[3], made[:1], "")] == [TrialState.FAIL]
