"""Tests of the brain, a file for each of its modules, and scenarios of whole flows."""
