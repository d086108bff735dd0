"""The house rules as tests: budgets, names, rooms, pages."""
