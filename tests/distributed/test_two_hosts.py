"""Two network namespaces of Linux, with a cable between them, stand for two computers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from minicnn.checkpoint import load

from .conftest import MINICNN, PROGRAMS, launcher
from .test_faults import all_gone, ranks, wait_for

TRAIN = [*MINICNN, "train", "--dataset", "mnist5k", "--model", "mlp"]
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


@pytest.fixture
def hosts(tmp_path):
    """The command that starts ranks on two hosts, two on each; the script takes the place of ssh."""
    if not os.path.exists("/proc/self/ns/net") or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("no network namespaces: they need Linux, root, and the command ip")
    one, two = names = [f"minicnn-{os.getpid()}-{i}" for i in (1, 2)]
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH.replace("ONE", one).replace("TWO", two))
    ssh.chmod(0o755)
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", one, "type", "veth", "peer", "name", "cable", "netns", two)
        for i, name in enumerate(names, 1):
            ip("-n", name, "address", "add", f"10.213.77.{i}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
        yield ["ip", "netns", "exec", one, launcher(), "-launcher", "ssh", "-launcher-exec", str(ssh), "-hosts",
               "10.213.77.1,10.213.77.2", "-ppn", "2"]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=20)


def test_two_hosts_train_as_one(start, hosts, tmp_path):
    short = [*TRAIN, "--dry-run", "--epochs", "2", "--json"]
    out, err = start(4, *short, "--out", "four", by=hosts).communicate()
    assert "4 ranks on 2 computers" in err and json.loads(re.search("{.*}", out)[0])["ranks"] == 4
    assert start(1, *short, "--out", "one").wait() == 0
    four, one = (load(tmp_path / name / "last.safetensors").model for name in ("four", "one"))
    for name, array in one.items():
        np.testing.assert_allclose(four[name], array, rtol=0, atol=1e-5 * np.abs(array).max())


def test_data_are_read_once_on_each_host(start, hosts, tmp_path):
    assert start(4, sys.executable, PROGRAMS / "read_once.py", tmp_path, by=hosts).wait() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_signal_ends_both_hosts(number, start, hosts, tmp_path):
    process = start(4, *TRAIN, "--epochs", "30", "--out", "run", by=hosts)
    victims = ranks(process, 4)
    wait_for(tmp_path / "run" / "last.safetensors", process)
    (process if number == signal.SIGINT else victims[3]).send_signal(number)
    status, _, err = all_gone(process, victims)
    assert status == 130 if number == signal.SIGINT else status != 0, err
    assert load(tmp_path / "run" / "last.safetensors").meta["epoch"] < 30
