"""Generated from the protos of govcode. Do not edit: run ``make proto``."""
