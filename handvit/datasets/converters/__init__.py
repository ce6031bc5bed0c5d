"""Turn raw data sets into HandSamples: one module for each."""
