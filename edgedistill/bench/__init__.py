"""From a model and a device to raw samples, and from raw samples to figures."""
