"""Nothing: no test needs it, and array-api-compat imports it."""
