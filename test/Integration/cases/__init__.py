"""ONNX graphs of BitLinear as exporters really write them, with recorded outputs: `python -m cases --out DIR`.

Each case is a function registered by @case; it returns a Case. Weights are random and seeded.
"""
