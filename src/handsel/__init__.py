"""handsel."""
