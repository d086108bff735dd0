"""`python -m lading.cli`."""

from lading.cli import start

start()
