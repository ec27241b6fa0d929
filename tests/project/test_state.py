"""The state folder, its secrets and its locks."""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from project import state


def test_a_secret_is_generated_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = state.get_secret(tmp_path / "state", "key")
    assert state.get_secret(tmp_path / "state", "key") == first
    assert len(first) >= 40
    assert (tmp_path / "state" / "key").stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_get_the_same_secret(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.starmap(state.get_secret, [(tmp_path, "key")] * 16))) == 1


def test_one_process_holds_the_folder_and_others_get_its_name(tmp_path: Path) -> None:
    with (
        state.hold(tmp_path, "./dev up"),
        pytest.raises(state.InUse, match=f"dev up .process {os.getpid()}"),
        state.hold(tmp_path, "another"),
    ):
        pass
    with state.hold(tmp_path, "another"):
        pass


@pytest.mark.parametrize("name", ["a space", "ü", "long" * 30])
def test_a_socket_never_lies_on_a_path_that_clients_cannot_use(tmp_path: Path, name: str) -> None:
    folder = state.socket_folder(tmp_path / name, "postgres")
    assert tmp_path not in folder.parents
    assert len(str(folder)) < 80 and " " not in str(folder)


def test_a_socket_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can change the owner of a folder")
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(state.Unusable, match="another user"):
        state.create_private_folder(tmp_path / "postgres")


def test_root_refuses_a_folder_that_user_nobody_cannot_enter(tmp_path: Path) -> None:
    checkout = tmp_path / "closed" / "checkout"
    checkout.mkdir(parents=True)
    checkout.parent.chmod(0o700)
    if os.geteuid() == 0:
        assert state.default_folder(checkout).parent == Path("/var/lib/exemplar")
    else:
        assert state.default_folder(checkout) == checkout / ".exemplar"


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other folders")
def test_a_users_state_folder_is_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_is_usable", lambda folder: False)
    monkeypatch.setattr("platformdirs.unix.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    assert state.default_folder(tmp_path / "shop").parent == tmp_path / "states" / "exemplar"
