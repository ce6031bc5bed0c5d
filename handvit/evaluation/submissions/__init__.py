"""Write predictions the way the servers of benchmarks take them."""
