"""`python -m lading.cli`."""

from lading.cli import main

main()
