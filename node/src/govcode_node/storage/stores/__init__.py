"""One store for each resource, over the link and the buffers of a batch; each does what its port says."""
