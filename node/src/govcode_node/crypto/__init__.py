"""The crypto room: SM2, SM3 and SM4 (clause 8.1), the keys that use them, and evidence made and checked with them.

`gmssl` and `cryptography` are imported here and nowhere else in the serving node. Secrets enter memory through
`keyprovider` and never leave this room; other rooms see `domain.keys.KeyInfo`.
"""
