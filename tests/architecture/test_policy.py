"""The policy names every method of the contract, nothing else, and says what the contract's comments say."""

import re
from pathlib import Path

import pytest
from govcode_node.domain.callers import Caller, CallerNotAllowedError, MethodNotInPolicyError, OperatorRole
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.nodes import NodeNotApprovedError
from govcode_node.rpc.policy import AUTHENTICATED, Policy
from kit.serving import method_descriptors

PROTOS = Path(__file__).parents[2] / "protos"
OTHERS = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.health.v1.Health/List",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}
_SERVICE = re.compile(r"^service (\w+) \{(.*?)^\}", re.M | re.S)
_METHOD = re.compile(r"((?:^ *//[^\n]*\n)+) *rpc (\w+)\(", re.M)
_CALLERS = re.compile(r"// Callers: (.+)$", re.M)

HOLDER_APP = Caller(caller_class=CallerClass.APP, name="holder-app", kind="holder")


def commented_callers() -> dict[str, frozenset[str]]:
    """The `Callers:` line of every method, from the sources of the contract."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted((PROTOS / "govcode").rglob("*.proto")):
        source = path.read_text(encoding="utf-8")
        package = re.search(r"^package ([\w.]+);", source, re.M)
        assert package, path
        for service in _SERVICE.finditer(source):
            for method in _METHOD.finditer(service[2]):
                callers = _CALLERS.findall(method[1])
                assert len(callers) == 1, f"{service[1]}.{method[2]} has {len(callers)} lines of callers"
                labels = frozenset(label.strip() for label in callers[0].split(","))
                found[f"/{package[1]}.{service[1]}/{method[2]}"] = labels
    return found


def test_every_method_of_the_contract_is_in_the_policy_and_nothing_else() -> None:
    assert set(Policy.load().methods) == set(method_descriptors()) | OTHERS


def test_the_sources_and_the_generated_code_have_the_same_methods() -> None:
    assert set(commented_callers()) == set(method_descriptors())


@pytest.mark.parametrize("method", sorted(method_descriptors()))
def test_the_policy_says_what_the_comment_says(method: str) -> None:
    assert Policy.load().methods[method] == commented_callers()[method]


def test_only_health_and_reflection_are_open_to_everybody() -> None:
    assert {method for method, labels in Policy.load().methods.items() if AUTHENTICATED in labels} == OTHERS


def test_a_method_taken_out_of_the_policy_is_refused() -> None:
    method = "/govcode.code.v1.CodeApplicationService/PresentCode"
    whole = Policy.load()
    whole.check(HOLDER_APP, method)
    without = Policy({name: labels for name, labels in whole.methods.items() if name != method})
    with pytest.raises(MethodNotInPolicyError):
        without.check(HOLDER_APP, method)


def test_a_counter_may_not_present() -> None:
    counter = Caller(caller_class=CallerClass.APP, name="counter-app", kind="relying_party")
    with pytest.raises(CallerNotAllowedError):
        Policy.load().check(counter, "/govcode.code.v1.CodeApplicationService/PresentCode")


def test_an_application_without_a_kind_may_do_nothing() -> None:
    nobody = Caller(caller_class=CallerClass.APP, name="new-app")
    for method in method_descriptors():
        with pytest.raises(CallerNotAllowedError):
            Policy.load().check(nobody, method)


def test_a_candidate_may_register_and_is_told_what_it_lacks_elsewhere() -> None:
    candidate = Caller(caller_class=CallerClass.NODE, name="530000", approved=False)
    Policy.load().check(candidate, "/govcode.hub.v1.HubService/RegisterNode")
    with pytest.raises(NodeNotApprovedError):
        Policy.load().check(candidate, "/govcode.hub.v1.HubService/GetTrustBundle")
    with pytest.raises(CallerNotAllowedError):
        Policy.load().check(candidate, "/govcode.hub.v1.HubService/ApproveNode")


def test_roles_of_operators_are_kept_apart() -> None:
    auditor = Caller(caller_class=CallerClass.OPERATOR, name="audit", roles=frozenset({OperatorRole.AUDIT}))
    Policy.load().check(auditor, "/govcode.security.v1.AuditService/ListAuditEvents")
    with pytest.raises(CallerNotAllowedError):
        Policy.load().check(auditor, "/govcode.business.v1.BusinessManagementService/RegisterScene")


@pytest.mark.parametrize("labels", ['["everybody"]', "[]"])
def test_a_policy_with_an_unknown_label_or_none_is_no_policy(labels: str) -> None:
    with pytest.raises(ValueError, match="the policy knows the labels"):
        Policy.parse(f'["a.Service"]\nMethod = {labels}\n')
