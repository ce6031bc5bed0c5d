"""Convert AssemblyHands."""
