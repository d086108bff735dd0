"""The tests of Lading."""
