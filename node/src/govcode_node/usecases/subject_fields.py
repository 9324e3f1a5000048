"""A subject's fields (码主体信息): sealed when the account is opened, opened only to disclose what a rule names."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from govcode_node.domain.accounts import Account, AccountId
from govcode_node.domain.codes import CodeMode, SubjectKind
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule, disclose
from govcode_node.domain.issued_codes import StoredCode
from govcode_node.ports.security import DataKeys
from govcode_node.ports.stores import Transaction

_NAMES: Final = {name.value: name for name in FieldName}
_decode: Final = json.JSONDecoder().decode


class SubjectFields:
    """It seals and discloses fields."""

    def __init__(self, *, keys: DataKeys) -> None:
        """It works with the node's data keys."""
        self._keys = keys

    def seal(self, account_id: AccountId, fields: Mapping[FieldName, str]) -> bytes:
        """It seals fields for one account; the bytes open for no other."""
        plain = json.dumps({name.value: value for name, value in fields.items()}, ensure_ascii=False)
        return self._keys.seal_field(plain.encode(), account_id.encode())

    def disclose(
        self, tx: Transaction, *, account: Account, code: StoredCode, rules: Iterable[FieldRule]
    ) -> tuple[DisclosedField, ...]:
        """It discloses what the rules name.

        A static code of a person identifies and does not prove presence (a photograph of it is as good as the print),
        so everything is masked for it, whatever the rules say.
        """
        rules = tuple(rules)
        if not rules:
            return ()
        sealed = tx.accounts.sealed_profile(account.account_id)
        if sealed is None:
            return ()
        if code.mode is CodeMode.STATIC and account.subject_kind is SubjectKind.PERSON:
            rules = tuple(FieldRule(rule.name) for rule in rules)
        return disclose(self._open(account.account_id, sealed), rules)

    def open_profile(self, tx: Transaction, account_id: AccountId) -> Mapping[FieldName, str]:
        """It opens all fields of an account, for a step of this node; empty for a closed account.

        What leaves the node goes through `disclose`, or is sealed for the licence system of one act (N-21).
        """
        sealed = tx.accounts.sealed_profile(account_id)
        return self._open(account_id, sealed) if sealed is not None else {}

    def _open(self, account_id: AccountId, sealed: bytes) -> Mapping[FieldName, str]:
        plain = _decode(self._keys.open_field(sealed, account_id.encode()).decode())
        return {_NAMES[name]: value for name, value in plain.items() if name in _NAMES}
