"""The data types that cross floors, and the Protocols between them. Knows nothing of how."""
