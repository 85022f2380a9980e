"""What the library costs beside others, measured in turn: `python -m benchmarks --help`.

A benchmark is a module with `rows(rounds)`; `race` has the frame that all of them share.
"""
