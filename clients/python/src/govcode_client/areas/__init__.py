"""The acts of the client by area, each written once; the blocking twins stand below the asynchronous ones."""
