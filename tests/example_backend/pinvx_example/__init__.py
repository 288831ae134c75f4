"""An adapter for `example_arrays`."""
