"""What connectors are tested with, shipped so that those outside can inherit it: see `contract.py`."""

import pytest

for _room in ("contract", "hashing", "naming", "reading", "steps", "typed", "writing"):
    pytest.register_assert_rewrite(f"lading.testing.{_room}")
