"""Lading moves an enterprise's data and proves that it arrived."""
