"""SQL dialects, one file each; data only."""
