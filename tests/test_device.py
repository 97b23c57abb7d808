"""The number type is measured once a machine, and can be overruled."""

import subprocess
import sys

import pytest
import torch

from helpers import device
from helpers.errors import UserError


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch):
    monkeypatch.delenv("LABEL_RISK_COMPUTE", raising=False)
    device._speedup_of_bfloat16.cache_clear()
    yield
    device._speedup_of_bfloat16.cache_clear()


def test_the_speedup_is_measured_and_kept_for_other_processes(own_cache):
    ratio = device._speedup_of_bfloat16()
    assert ratio > 0
    (file,) = (own_cache / "machines").iterdir()
    assert float(file.read_text()) == pytest.approx(ratio, abs=1e-3)
    file.write_text("7.5\n")
    device._speedup_of_bfloat16.cache_clear()
    assert device._speedup_of_bfloat16() == 7.5
    assert device.dtype("cpu") == torch.bfloat16
    file.write_text("0.9\n")
    device._speedup_of_bfloat16.cache_clear()
    assert device.dtype("cpu") == torch.float32


def test_a_note_that_is_no_number_is_measured_again(own_cache):
    device._speedup_of_bfloat16()
    (file,) = (own_cache / "machines").iterdir()
    file.write_text("")
    device._speedup_of_bfloat16.cache_clear()
    assert device._speedup_of_bfloat16() > 0
    assert float(file.read_text()) > 0


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_the_environment_overrules_the_measurement(name, own_cache, monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", name)
    assert device.dtype("cpu") == device.dtype("cuda") == getattr(torch, name)
    assert device.compute_type() == name
    assert not (own_cache / "machines").exists()


def test_a_type_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("LABEL_RISK_COMPUTE", "int8")
    with pytest.raises(UserError, match="'int8': it can be bfloat16 or float32"):
        device.dtype("cpu")


@pytest.mark.parametrize(
    ("share", "cores"), [("150000 100000\n", 2), ("6400000 100000\n", 8), ("max 100000\n", 8), ("", 8), (None, 8)]
)
def test_a_container_has_the_cores_that_it_may_use(share, cores, tmp_path, monkeypatch):
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(device, "_SHARE", tmp_path / "cpu.max")
    if share is not None:
        device._SHARE.write_text(share)
    assert device.cores() == cores


@pytest.mark.parametrize(("card", "cores", "workers"), [("cpu", 64, 64), ("cuda", 64, 4), ("mps", 2, 2)])
def test_few_processes_share_a_card(card, cores, workers, monkeypatch):
    monkeypatch.setattr(device, "pick", lambda: card)
    monkeypatch.setattr(device, "cores", lambda: cores)
    assert device.workers() == workers


def test_keeping_memory_harms_no_process():
    script = "from helpers import device; device.keep_memory(); import numpy; print(numpy.ones(10**7).sum())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "10000000.0\n"


def test_the_kind_of_a_machine_is_all_that_rounds_differently():
    here = device.describe() | {"compute": device.compute_type()}
    assert device.same_kind(here, here | {"cores": 1000})
    assert device.same_kind(here | {"encoder_commit": "a"}, here | {"encoder_commit": "b"})
    for what in ("processor", "device", "compute", "torch", "numpy"):
        assert not device.same_kind(here, here | {what: "another"})
        # Records of older versions do not say everything.
        older = {key: value for key, value in here.items() if key != what}
        assert device.same_kind(here, older)
        assert device.same_kind(older, here)
