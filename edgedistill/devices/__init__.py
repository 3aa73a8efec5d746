"""How a device is reached: put, get, run. No timing, no models."""
