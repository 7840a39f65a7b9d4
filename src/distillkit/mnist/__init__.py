"""Hinton's experiments on MNIST, written with the library's public names alone."""
