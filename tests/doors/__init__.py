"""The doors: command line, Python, and what people see."""
