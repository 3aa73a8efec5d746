"""Use cases and composition root: the only floor that knows stages and devices."""
