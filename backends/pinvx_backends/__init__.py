"""The adapters that pinvx brings along: one file a library, imported by name when it is needed."""
