"""Kinds of steps, one a file: a model, and the function `run` that carries one out and returns its outcome."""
