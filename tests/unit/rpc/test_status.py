"""The error table is complete, truthful and small."""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from enum import Enum

import govcode_node.domain
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from govcode.error.v1 import error_reason_pb2
from govcode_node.domain import errors, keys, numbers, recognition
from govcode_node.domain.errors import FactsError, GovcodeError
from govcode_node.domain.identities import CertificateFault, UntrustedCertificateError
from govcode_node.rpc.error_texts import ERROR_TEXTS
from govcode_node.rpc.status import MAX_STATUS_BYTES, preferred_language, status_of
from govcode_node.rpc.status_table import TABLE, row_of

PREFIX = "ERROR_REASON_"
REASONS = frozenset(
    name.removeprefix(PREFIX)
    for name, number in error_reason_pb2.ErrorReason.items()
    if number != error_reason_pb2.ERROR_REASON_UNSPECIFIED
)

INTERNAL = {
    "FactsError": "a base class",
    "PeerRefusedError": "keeps the peer's own status; tested below",
    "IdentityError": "a base class",
    "MalformedIdentityError": "the certificate check turns it into UntrustedCertificateError",
    "UnknownCallerClassError": "the certificate check turns it into UntrustedCertificateError",
    "MisplacedIdentityError": "the certificate check turns it into UntrustedCertificateError",
    "InvalidTextEncodingError": "the codec turns it into MalformedCodeError",
    "InvalidGuideHostError": "a fault of the configuration",
    "UnknownCodecError": "a fault of the configuration",
    "InvalidMatterPatternError": "a fault of the configuration",
    "BundleConflictError": "a bundle is refused by the node that fetched it, and nobody called",
    "BundleRollbackError": "a bundle is refused by the node that fetched it, and nobody called",
    "KeyPurposeError": "only a fault of this program asks a key for what it is not for",
    "KeyTransitionError": "the command for keys meets it, no caller",
    "UnknownKeyError": "judging turns it into an outcome; elsewhere a fault",
    "KeystoreError": "the node does not start with it",
    "InvalidSignatureError": "judging turns it into an outcome or another error; elsewhere a fault",
    "InvalidMacError": "judging turns it into an outcome; elsewhere a fault",
    "AuditChainBrokenError": "the command for the audit trail meets it, no caller",
    "SealBrokenError": "what the node stored was changed: a fault, and nothing for a caller to know",
}
"""Errors of the domain that are a fault of this node where they reach a caller, and why."""

OUTSIDE_TABLE = {
    "CERTIFICATE_MISSING": "an UntrustedCertificateError without an identity",
    "USCC_INVALID": "an InvalidNumberError about a USCC",
    "INTERNAL_FAULT": "everything that is not in the table",
}


def domain_errors() -> Iterator[type[GovcodeError]]:
    for module in pkgutil.iter_modules(govcode_node.domain.__path__):
        importlib.import_module(f"govcode_node.domain.{module.name}")

    def below(kind: type[GovcodeError]) -> Iterator[type[GovcodeError]]:
        for child in kind.__subclasses__():
            if child.__module__.startswith("govcode_node.domain"):
                yield child
            yield from below(child)

    yield from below(GovcodeError)


def details_of(error: BaseException, **wishes: str) -> dict[str, object]:
    status = status_of(error, request_id="r-1", **wishes)
    message = status_pb2.Status.FromString(status.details)
    assert message.code == status.code.value[0]
    found: dict[str, object] = {}
    for detail in message.details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[1])
        part = kind()
        assert detail.Unpack(part)
        key = kind.__name__ if kind is not error_details_pb2.LocalizedMessage else part.locale
        assert key not in found
        found[key] = part
    return found


def an_error(kind: type[GovcodeError], text: str) -> GovcodeError:
    """An instance with every text fact set to `text`."""
    if not inspect.isfunction(kind.__init__):
        return kind(text)
    hints = typing.get_type_hints(kind.__init__)
    needed = {
        name: hints[name]
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is inspect.Parameter.empty or name == "retry_after_seconds"
    }
    return kind(**{name: value_of(hint, text) for name, hint in needed.items()})


def value_of(hint: object, text: str) -> object:
    if args := typing.get_args(hint):
        return value_of(args[0], text)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    return {str: text, int: 7, float: 2.5}[hint]


@pytest.mark.req("N-55")
def test_every_reason_has_a_text_in_both_languages_and_an_actor() -> None:
    assert set(ERROR_TEXTS) == REASONS
    for reason, text in ERROR_TEXTS.items():
        assert any("一" <= character <= "鿿" for character in text.zh), reason
        assert text.en.isascii(), reason
        assert len(text.zh.encode()) <= 300, reason
        assert len(text.en) <= 200, reason


def test_every_error_of_the_domain_is_in_the_table_or_known_to_be_a_fault() -> None:
    unknown = {kind.__name__ for kind in domain_errors() if TABLE.keys().isdisjoint(kind.__mro__)}
    assert unknown == set(INTERNAL)


def test_no_error_is_both_in_the_table_and_called_a_fault() -> None:
    assert not {kind.__name__ for kind in TABLE} & set(INTERNAL)


def test_every_reason_is_reached_from_the_table() -> None:
    reached = {row.reason for row in TABLE.values()}
    assert reached | set(OUTSIDE_TABLE) == REASONS
    assert not reached & set(OUTSIDE_TABLE)


@pytest.mark.req("N-55")
@pytest.mark.parametrize("kind", sorted(TABLE, key=lambda kind: (kind.__module__, kind.__name__)))
@pytest.mark.parametrize("text", ["x", "长" * 5000], ids=["short", "long"])
def test_no_error_takes_more_than_4_kb(kind: type[GovcodeError], text: str) -> None:
    status = status_of(an_error(kind, text), request_id="r" * 64)
    assert len(status.details) <= MAX_STATUS_BYTES
    assert status.code is TABLE[kind].code
    assert status.reason == TABLE[kind].reason


@pytest.mark.req("N-55")
def test_even_a_peers_flood_of_facts_takes_no_more_than_4_kb() -> None:
    facts = {f"fact-{number}": "长" * 100 for number in range(100)}
    status = status_of(recognition.PeerRefusedError("310000", 8, "RATE_LIMITED", facts), request_id="r")
    assert len(status.details) <= MAX_STATUS_BYTES
    assert status.facts


def test_a_wrong_field_is_named_to_programs_and_people() -> None:
    found = details_of(errors.InvalidFieldError("scene.validity", "is longer than 600 s"))
    violation = found["BadRequest"].field_violations[0]
    assert (violation.field, violation.description) == ("scene.validity", "is longer than 600 s")
    info = found["ErrorInfo"]
    assert (info.reason, info.domain) == ("INVALID_FIELD", "govcode")
    assert dict(info.metadata) == {"field": "scene.validity", "why": "is longer than 600 s"}
    assert found["RequestInfo"].request_id == "r-1"


@pytest.mark.req("7.1-04")
def test_a_rate_limit_says_how_long_to_wait() -> None:
    error = errors.RateLimitedError(limit="app", retry_after_seconds=2.5)
    found = details_of(error)
    assert found["RetryInfo"].retry_delay.ToTimedelta().total_seconds() == 2.5
    assert status_of(error, request_id="").code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("wish", "locales"),
    [
        ("", {"zh-CN", "en"}),
        ("en-GB,en;q=0.9", {"en"}),
        ("zh", {"zh-CN"}),
        ("fr", {"zh-CN", "en"}),
        ("en;q=0.2, zh-Hans;q=0.8", {"zh-CN"}),
        ("en;q=x", {"zh-CN", "en"}),
    ],
)
@pytest.mark.req("N-55")
def test_texts_come_in_the_language_wished_for_or_in_both(wish: str, locales: set[str]) -> None:
    found = details_of(errors.DrainingError(), accept_language=wish)
    assert {key for key in found if key in {"zh-CN", "en"}} == locales


def test_language_weights_are_read_and_zero_means_no() -> None:
    assert preferred_language("en;q=0, zh;q=0") == ""


@pytest.mark.parametrize("error", [RuntimeError("the citizen 张三"), keys.SealBrokenError("张三")])
def test_a_fault_says_nothing_but_the_request_id(error: Exception) -> None:
    status = status_of(error, request_id="r-1")
    assert (status.code, status.reason, dict(status.facts)) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT", {})
    assert "张三" not in status.details.decode("utf-8", "ignore") + status.message


def test_a_failing_store_does_not_tell_callers_about_its_inside() -> None:
    status = status_of(errors.StoreUnavailableError("postgresql://user@db-3 refused"), request_id="")
    assert "db-3" not in status.message
    assert "db-3" not in status.details.decode("utf-8", "ignore")


def test_a_certificate_without_identity_is_missing_not_untrusted() -> None:
    missing = UntrustedCertificateError(CertificateFault.NO_IDENTITY, "none")
    untrusted = UntrustedCertificateError(CertificateFault.EXPIRED, "ended")
    assert status_of(missing, request_id="").reason == "CERTIFICATE_MISSING"
    assert status_of(untrusted, request_id="").reason == "CERTIFICATE_UNTRUSTED"


def test_a_wrong_uscc_has_its_own_reason() -> None:
    fault = next(iter(numbers.NumberFault))
    assert status_of(numbers.InvalidNumberError(numbers.NumberKind.USCC, fault), request_id="").reason == "USCC_INVALID"


def test_a_peers_error_keeps_its_status_with_the_way_added() -> None:
    peer = recognition.PeerRefusedError(
        "420100", 9, "EVIDENCE_STALE", {"age_seconds": "400", "via": "310000", "retry_after_seconds": "3"}
    )
    status = status_of(peer, request_id="r-1")
    assert (status.code, status.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EVIDENCE_STALE")
    assert status.facts["via"] == "420100,310000"
    assert status.facts["age_seconds"] == "400"
    assert details_of(peer)["RetryInfo"].retry_delay.seconds == 3


@pytest.mark.parametrize(("number", "reason"), [(0, "RATE_LIMITED"), (99, "RATE_LIMITED"), (8, "NOT_OURS"), (8, "")])
def test_a_peers_nonsense_becomes_a_fault_with_the_way(number: int, reason: str) -> None:
    status = status_of(
        recognition.PeerRefusedError("420100", number, reason, {"retry_after_seconds": "nan"}), request_id=""
    )
    assert (status.code, status.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_FAULT")
    assert status.facts["via"] == "420100"


def test_a_subclass_goes_with_its_parent() -> None:
    class LocalRateLimitedError(errors.RateLimitedError):
        pass

    assert row_of(LocalRateLimitedError(limit="app", retry_after_seconds=1)) is TABLE[errors.RateLimitedError]
    assert issubclass(errors.RateLimitedError, FactsError)
