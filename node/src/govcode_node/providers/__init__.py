"""Outside services that a node asks, one package for each kind of service."""
