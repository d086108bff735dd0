"""The peak memory of a bill is the run's own, not that of the program that started it."""

import subprocess
import sys


def test_a_large_parent_is_not_counted():
    held = bytearray(300 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    code = "from lading.run import peak_memory; print(peak_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 2**20 < int(said) < 250 * 2**20
