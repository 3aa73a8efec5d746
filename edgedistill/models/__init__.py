"""Where networks come from, and how they are kept: never as a pickle."""
