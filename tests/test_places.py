"""Files that are written whole or not at all."""

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import places
from helpers.errors import UserError


def test_a_file_appears_when_it_is_whole(tmp_path):
    file = tmp_path / "new" / "file.txt"
    with places.whole(file) as part:
        part.write_text("half")
        assert not file.exists()
        part.write_text("whole")
    assert file.read_text() == "whole"
    assert list(file.parent.iterdir()) == [file]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("old")

    def fail():
        with places.whole(file) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_said_in_one_line(tmp_path):
    def fill():
        with places.whole(tmp_path / "file.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"the disk of .* is full"):
        fill()


def test_two_that_write_at_once_do_not_mix(tmp_path):
    file = tmp_path / "file.txt"

    def write(letter):
        for _ in range(20):
            with places.whole(file) as part:
                part.write_text(letter * 10_000)
            assert len(set(file.read_text())) == 1

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, "ab"))
    assert list(tmp_path.iterdir()) == [file]
