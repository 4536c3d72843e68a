"""What more than one phase of the pipeline needs."""
