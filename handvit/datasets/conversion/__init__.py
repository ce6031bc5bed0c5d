"""Carry converters out: their contract, views, shards, reports and command line."""
