"""The rules of the code system: standard library only, no clock, no network, no store."""
