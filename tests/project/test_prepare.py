"""`./dev prepare`, which several hosts may run at once."""

import pytest
from django.core.management import call_command
from django.db import connection

from project.management.commands import migrate, prepare
from project.management.commands.migrate import try_lock


@pytest.mark.django_db(transaction=True)
def test_a_second_prepare_waits_until_the_first_has_written_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lockable = []

    def record_lock(*_: object, **__: object) -> None:
        lockable.append(try_lock(connection))

    monkeypatch.setattr(prepare, "call_command", record_lock)
    monkeypatch.setattr(prepare, "create_administrator", record_lock)
    call_command("prepare")
    migrating, *writing = lockable
    assert migrating  # `migrate` takes the lock by itself
    assert len(writing) == 2
    assert not any(writing)


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_another_process_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(migrate, "try_lock", lambda _: next(answers))
    monkeypatch.setattr(migrate, "POLL_SECONDS", 0)
    with migrate.advisory_lock(connection):
        assert capsys.readouterr().err == f"{migrate.WAITS}\n"
