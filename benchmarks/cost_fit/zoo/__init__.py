"""Published architectures with random weights, built from their papers to be counted."""
