"""Connectors, one file per system; the file's name is the connection's kind."""
