"""Receives files that others put into a folder, and loads each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.receiver import Receive

if TYPE_CHECKING:
    from lading.desk import Desk, Outcome

__all__ = ["Receive", "run"]


def run(step: Receive, desk: Desk) -> Outcome:
    from lading.receiving import received

    return received(step, desk)
