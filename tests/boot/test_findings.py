# SPDX-License-Identifier: BSD-2-Clause
"""Scripts of findings/ where the emulator does not do what they wait for: they give their verdict, and leave nothing."""

import os
import shutil
import subprocess
import time

import scenario

FINDINGS = os.path.join(scenario.ROOT, "findings")
# Beside the script in the place of the real one, which fetches packages.
COMMON = r"""
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
needs() { :; }
boot_sector() { :; }
unpack_all() { :; }
differs() { echo "DIFFERS: $*"; exit 1; }
qemu_of() { RUN=(sh -c "$EMULATOR" emulator); }
await() {
	local pid=$3
	[ -z "$LIVES" ] || { until [ -s "$LIVES" ]; do sleep 0.05; done; return 1; }
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}
"""


def run(folder, emulator, lives=""):
    shutil.copy(os.path.join(FINDINGS, "qemu-info-balloon.sh"), folder)
    (folder / "common.sh").write_text(COMMON, encoding="ascii")
    return subprocess.run(["bash", str(folder / "qemu-info-balloon.sh")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env=dict(os.environ, EMULATOR=emulator, LIVES=lives), check=False, text=True, timeout=60)


def test_an_emulator_that_has_died_is_told(tmp_path):
    """Regression: the next command for it ended the script by SIGPIPE, without a word."""
    done = run(tmp_path, "exit 3")
    assert done.returncode == 1 and done.stdout == "DIFFERS: QEMU has ended before the command info balloon\n"


def test_an_emulator_that_lives_is_ended_before_the_verdict(tmp_path):
    """Regression: it went on for as long as its own limit."""
    number = tmp_path / "number"
    done = run(tmp_path, f'[ "$1" = --version ] || {{ echo $$ >"{number}"; exec sleep 90; }}', lives=str(number))
    assert done.returncode == 1 and done.stdout.startswith("DIFFERS: the boot sector")
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{number.read_text().strip()}") and time.monotonic() < until:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{number.read_text().strip()}")
