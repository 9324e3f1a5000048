"""The commands of `govcode`, a module for each group. Each loads what it needs when it runs: start is quick."""
