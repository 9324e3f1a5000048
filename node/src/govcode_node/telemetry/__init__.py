"""Traces, metrics and logs (OpenTelemetry and the standard library), free of personal data (7.5-07)."""
