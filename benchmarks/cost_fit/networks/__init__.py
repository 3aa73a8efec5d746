"""Published architectures, built with random weights from their papers, to be exported and counted."""
