"""Reviews: each side of a settled order may review the other, once. Double-blind comes later."""
