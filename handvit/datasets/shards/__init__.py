"""Keep hands on disk: the format, its index, and how it is written and read."""
