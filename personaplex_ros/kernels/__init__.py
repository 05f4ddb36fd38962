"""Triton kernels for the step of a frame on a GPU; imported only where one is used."""
