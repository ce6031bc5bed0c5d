"""Turn raw data sets into samples: one module or folder for each."""
