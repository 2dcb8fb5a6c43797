"""Two network namespaces of Linux, with a cable between them, stand for two computers."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minicnn.checkpoint import load

from .conftest import MINICNN, PROGRAMS, launcher
from .test_faults import LAST, all_gone, ranks, wait_for

TRAIN = [*MINICNN, "train", "--dataset", "mnist5k", "--model", "mlp"]
OVER_TCP = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "cable"}        # or MPICH finds the memory that both hosts have
CABLE = "/sys/class/net/cable"
SSH = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
case $1 in *.1) host=ONE;; *) host=TWO;; esac
shift
exec ip netns exec $host sh -c "$*"
"""


def ip(*command):
    done = subprocess.run(["ip", *command], capture_output=True, text=True, timeout=20)
    if done.returncode:
        pytest.skip(f"no network namespaces: ip {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture
def hosts(tmp_path):
    """The names of two hosts, and the command that starts two ranks on each; a script takes the place of ssh."""
    if not os.path.exists("/proc/self/ns/net") or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("no network namespaces: they need Linux, root, and the command ip")
    if "HYDRA" not in subprocess.run([launcher(), "--version"], capture_output=True, text=True, timeout=20).stdout:
        pytest.skip("this mpiexec is not that of MPICH")
    one, two = names = [f"minicnn-{os.getpid()}-{i}" for i in (1, 2)]
    (tmp_path / "ssh").write_text(SSH.replace("ONE", one).replace("TWO", two))
    (tmp_path / "ssh").chmod(0o755)
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", one, "type", "veth", "peer", "name", "cable", "netns", two)
        for i, name in enumerate(names, 1):
            ip("-n", name, "address", "add", f"10.213.77.{i}/24", "dev", "cable")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "cable", "up")
        while [ip("netns", "exec", name, "cat", f"{CABLE}/operstate") for name in names] != ["up\n"] * 2:
            time.sleep(0.01)
        yield names, ["ip", "netns", "exec", one, launcher(), "-launcher", "ssh", "-launcher-exec",
                      str(tmp_path / "ssh"), "-hosts", "10.213.77.1,10.213.77.2", "-ppn", "2"]
        for pid in [*ip("netns", "pids", one).split(), *ip("netns", "pids", two).split()]:
            os.kill(int(pid), signal.SIGKILL)             # what is left of hydra when the cable was cut
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=20)


def test_two_hosts_train_as_one(start, hosts, tmp_path):
    (one, _), by = hosts
    short = [*TRAIN, "--dry-run", "--epochs", "2"]
    _, err = start(4, *short, "--out", "four", by=by, **OVER_TCP).communicate()
    assert "4 ranks on 2 computers" in err and start(1, *short, "--out", "alone").wait() == 0
    four, alone = (load(tmp_path / name / LAST).model for name in ("four", "alone"))
    for name, array in alone.items():
        np.testing.assert_allclose(four[name], array, rtol=0, atol=1e-5 * np.abs(array).max())
    sent = int(ip("netns", "exec", one, "cat", f"{CABLE}/statistics/tx_bytes"))
    assert sent > 8 * sum(array.nbytes for array in alone.values())         # 8 steps went over the cable


def test_data_are_read_once_on_each_host(start, hosts, tmp_path):
    assert start(4, sys.executable, PROGRAMS / "read_once.py", tmp_path, by=hosts[1], **OVER_TCP).wait() == 0


@pytest.mark.parametrize("fault", ["killed", "Ctrl-C", "cable"])
def test_a_fault_ends_both_hosts(fault, start, hosts, tmp_path):
    (_, two), by = hosts
    process = start(4, *TRAIN, "--epochs", "99", "--out", "run", by=by, MINICNN_MPI_TIMEOUT="2", **OVER_TCP)
    victims = ranks(process, 4)
    wait_for(tmp_path / "run" / LAST, process)
    if fault == "cable":
        ip("-n", two, "link", "set", "cable", "down")
    else:
        (process if fault == "Ctrl-C" else victims[3]).send_signal(signal.SIGINT if fault == "Ctrl-C" else 9)
    status, _, err = all_gone(process, victims)
    assert status == 130 if fault == "Ctrl-C" else status != 0, err
    assert fault != "cable" or "has waited 2 s for the other ranks" in err
    assert load(tmp_path / "run" / LAST).meta["epoch"] < 99
