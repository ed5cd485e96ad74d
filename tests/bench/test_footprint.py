# SPDX-License-Identifier: BSD-2-Clause
"""What the page says of sizes is found where the tree has it now."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import footprint  # noqa: E402
from runs import ROOT, BenchError  # noqa: E402


def sources_of(folder):
    """(files and folders) directly in it."""
    names = os.listdir(os.path.join(ROOT, folder))
    folders = [name for name in names if os.path.isdir(os.path.join(ROOT, folder, name))]
    return [name for name in names if footprint.SOURCE.search(name)], folders


def test_every_folder_of_the_backend_is_counted():
    _, folders = sources_of("arch/x86")
    assert {f"arch/x86/{name}" for name in folders} <= set(footprint.FOLDERS)


def test_every_folder_that_is_counted_exists():
    assert all(os.path.isdir(os.path.join(ROOT, folder)) for folder in footprint.FOLDERS)


def test_the_record_of_a_vm(monkeypatch):
    """`make bench` ended without its page when the header had moved."""
    monkeypatch.setattr(footprint, "run", lambda *command: "ffffffff80240000 00000000000a0000 b vms\n")
    assert footprint.vm_bytes("aerostat.elf") == 0xa0000 // 64
    monkeypatch.setattr(footprint, "run", lambda *command: "")
    with pytest.raises(BenchError, match="vms"):
        footprint.vm_bytes("aerostat.elf")
