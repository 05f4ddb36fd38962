"""A model measured with Full-Duplex-Bench: its folders, its definitions, its published options.

v1.0 is arXiv 2503.04721, v1.5 is arXiv 2507.23159.
"""
