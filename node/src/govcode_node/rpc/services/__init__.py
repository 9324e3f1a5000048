"""The servicers: each method converts, calls its use case, and converts back."""
