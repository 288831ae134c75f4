"""Where CuPy keeps what counts its copies to the host."""
