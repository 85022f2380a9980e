"""Tests of the words, a file for each of their modules."""
