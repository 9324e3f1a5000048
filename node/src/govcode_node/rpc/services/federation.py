"""What nodes ask each other (6.2, 6.3, 7.3)."""

from collections.abc import AsyncIterator, Sequence

from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode.federation.v1.federation_service_pb2_grpc import FederationServiceServicer
from typing_extensions import override

from govcode_node.domain.home_rules import NodeProfile
from govcode_node.domain.nodes import PROTOCOL_VERSION
from govcode_node.ports.clock import Clock
from govcode_node.ports.federation import TrustHolder
from govcode_node.rpc.call import current_call
from govcode_node.rpc.pieces import closing_pieces
from govcode_node.usecases.authorization_questions import AuthorizationQuestions
from govcode_node.usecases.license_fetching import LicenseFetching
from govcode_node.usecases.recognition import Recognition
from govcode_node.usecases.requesting import AuthorizationRequests
from govcode_node.usecases.revocation_lists import RevocationLists
from govcode_node.usecases.withdrawing import Withdrawing
from govcode_node.wire.authorization_requests import (
    answered_question_to_proto,
    evidence_bytes_from_proto,
    forwarded_authorization_from_proto,
    forwarded_grant_from_proto,
)
from govcode_node.wire.evidence import kept_evidence_to_proto
from govcode_node.wire.licenses import forwarded_piece_to_proto
from govcode_node.wire.recognition import recognition_from_proto
from govcode_node.wire.times import moment_to_proto


class FederationServicer(FederationServiceServicer):
    """It answers other nodes about this node and its codes."""

    def __init__(
        self,
        *,
        node: NodeProfile,
        code_schemes: Sequence[str],
        trust: TrustHolder,
        recognition: Recognition,
        lists: RevocationLists,
        requesting: AuthorizationRequests,
        questions: AuthorizationQuestions,
        fetching: LicenseFetching,
        withdrawing: Withdrawing,
        clock: Clock,
    ) -> None:
        """It serves these steps, and tells what the node is.

        Args:
            node: Who this node is.
            code_schemes: Code schemes that it reads. Example: `ZWM1`.
            trust: Its copy of the trust bundle.
            recognition: Judges codes for other nodes.
            lists: Makes the revocation list.
            requesting: Takes in what other nodes ask of holders here.
            questions: Answers questions about authorizations.
            fetching: Counts uses, and delivers.
            withdrawing: Takes notice of withdrawals.
            clock: Its clock.
        """
        self._node = node
        self._code_schemes = tuple(code_schemes)
        self._trust = trust
        self._recognition = recognition
        self._lists = lists
        self._requesting = requesting
        self._questions = questions
        self._fetching = fetching
        self._withdrawing = withdrawing
        self._clock = clock

    @override
    async def GetNode(self, request: federationv1.GetNodeRequest, context: object) -> federationv1.GetNodeResponse:
        bundle = self._trust.bundle()
        return federationv1.GetNodeResponse(
            node_id=self._node.node_id,
            software_version=self._node.software_version,
            protocol_versions=[PROTOCOL_VERSION],
            code_schemes=self._code_schemes,
            bundle_version=0 if bundle is None else bundle.version,
            server_time=moment_to_proto(self._clock.now()),
        )

    @override
    async def RecognizeCode(
        self, request: federationv1.RecognizeCodeRequest, context: object
    ) -> federationv1.RecognizeCodeResponse:
        evidence, hops = recognition_from_proto(request)
        answer = await self._recognition.recognize(current_call(), request=evidence, hops=hops)
        return federationv1.RecognizeCodeResponse(answer=kept_evidence_to_proto(answer))

    @override
    async def GetRevocationList(
        self, request: federationv1.GetRevocationListRequest, context: object
    ) -> federationv1.GetRevocationListResponse:
        newest = await self._lists.newest()
        return federationv1.GetRevocationListResponse(revocation_list=kept_evidence_to_proto(newest))

    @override
    async def ForwardAuthorization(
        self, request: federationv1.ForwardAuthorizationRequest, context: object
    ) -> federationv1.ForwardAuthorizationResponse:
        consent_request, question = forwarded_authorization_from_proto(request)
        if question:
            return answered_question_to_proto(await self._questions.answer(current_call(), question=question))
        answer = await self._requesting.answer_forwarded(current_call(), request=consent_request)
        return federationv1.ForwardAuthorizationResponse(answer=kept_evidence_to_proto(answer))

    @override
    async def ForwardLicenseFetch(
        self, request: federationv1.ForwardLicenseFetchRequest, context: object
    ) -> AsyncIterator[federationv1.ForwardLicenseFetchResponse]:
        evidence, grant = evidence_bytes_from_proto(request, "request"), forwarded_grant_from_proto(request)
        answered = self._fetching.answer_forwarded(current_call(), request=evidence, grant=grant)
        async with answered as delivery, closing_pieces(delivery) as pieces:
            async for piece in pieces:
                yield forwarded_piece_to_proto(piece)

    @override
    async def NotifyWithdrawal(
        self, request: federationv1.NotifyWithdrawalRequest, context: object
    ) -> federationv1.NotifyWithdrawalResponse:
        evidence = evidence_bytes_from_proto(request, "withdrawal")
        await self._withdrawing.take_notice(current_call(), withdrawal=evidence)
        return federationv1.NotifyWithdrawalResponse()
