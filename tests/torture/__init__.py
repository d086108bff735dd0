"""The torture suite: one type scenario a file, over every ordered pair of the systems at hand."""
