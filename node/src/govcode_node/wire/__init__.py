"""Messages of the contract and the domain's own words, side by side: the last room that knows protobuf.

Conversions come in pairs, `code_to_proto` and `code_from_proto`. Reading is of two kinds. What a caller asks is read
strictly: a bad enum, time or length is an `InvalidFieldError` that names the field. What a peer states is read so that
a newer peer is understood: unknown fields are passed over, an unknown word never means more than a refusal. Evidence is
proved over the bytes as they came and parsed afterwards (`attestation.py`).
"""
