"""Journeys: what a person writes goes in; rows and a bill come out, checked without Lading."""
