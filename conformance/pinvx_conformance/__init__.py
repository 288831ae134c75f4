"""pinvx_conformance."""
