import errno
import shutil

import pytest

from handvit.engine.disk_space import MARGIN, full_disk_is_shortage, require_space
from handvit.engine.training_stop import DiskShortage


@pytest.fixture
def free(monkeypatch):
    """Set the free bytes of every disk."""

    def set_free(num_bytes):
        usage = type(shutil.disk_usage("/"))(0, 0, num_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)

    return set_free


def test_room_is_needed_for_the_file_and_a_margin(tmp_path, free):
    free(5_000_000_000 + MARGIN)
    require_space(tmp_path, "iter_1.pth", 5_000_000_000)
    free(5_000_000_000 + MARGIN - 1)
    with pytest.raises(DiskShortage) as shortage:
        require_space(tmp_path, "iter_1.pth", 5_000_000_000)
    message = str(shortage.value)
    assert f"{tmp_path}: iter_1.pth needs 5.02 GB, 5.02 GB are free" in message
    assert "--work-dir" in message and "\n" not in message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_after_all_is_the_same(tmp_path, free, number):
    free(3_000_000)
    with pytest.raises(DiskShortage, match=r"0\.003 GB are free"), full_disk_is_shortage(tmp_path):
        raise OSError(number, "No space left on device")


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), full_disk_is_shortage(tmp_path):
        raise PermissionError(errno.EACCES, "not yours")
