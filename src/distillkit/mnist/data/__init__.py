"""MNIST: found, downloaded, or drawn from fonts."""
