"""The stages of the road: each takes artifacts, gives new ones, and proves its promise."""
