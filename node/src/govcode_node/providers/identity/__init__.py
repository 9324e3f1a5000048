"""Identity providers (身份鉴别): the local one for development, tests and the demo."""
