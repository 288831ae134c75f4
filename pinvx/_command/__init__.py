"""What `python -m pinvx` does: one problem on every library installed, and `solve` for files.

Nothing else in pinvx imports this package. Array libraries are imported by name, at run time, and
only here: someone who runs the command has asked for it.
"""
