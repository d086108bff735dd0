"""The store's own widths: nothing that people write has a limit there, and no table is forgotten."""

import sqlalchemy as sa

from lading import widths
from lading.store import Store


def test_every_table_of_the_store_is_looked_at(tmp_path):
    opened = Store(str(tmp_path / "store.db"))
    try:
        there = set(sa.inspect(opened.engine).get_table_names()) - {"alembic_version"}
        assert there == widths.TABLES.keys()
        for name, table in widths.TABLES.items():
            columns = {column["name"] for column in sa.inspect(opened.engine).get_columns(name)}
            assert columns == {column.name for column in table.columns}, name
        assert widths.narrow(opened) == []
    finally:
        opened.close()


def test_no_text_of_the_store_is_bounded():
    kinds = [(f"{name}.{column.name}", column.type) for name, t in widths.TABLES.items() for column in t.columns]
    texts = [(name, kind) for name, kind in kinds if isinstance(kind, sa.String)]
    assert len(texts) > 50
    assert [name for name, kind in texts if kind.length is not None] == []
