"""The adapters that pinvx includes: one file per library, imported by name on first use."""
