"""Finding and reading the documents that describe the world: target profiles, and YAML itself."""
