"""The store: SQL behind the ports, and the form of remembered answers."""
