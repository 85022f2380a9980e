"""Tests of the embedded server, a file for each of its modules."""
