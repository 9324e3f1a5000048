"""Those of 6.3 as tests play them over real gRPC, by the Python client library: counters that ask and fetch, holders.

    async with open_licence_land(folder) as land:
        consent = await land.asked(holder, land.counter(BEIJING))
        await consent.grant()
        licence = await consent.fetch()

The code is of Wuhan, most licences are held in Shanghai, and counters ask in Beijing.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import catalogue_pb2 as cataloguev1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.common.v1 import evidence_pb2, subject_pb2
from govcode_client import AsyncClient, ClientIdentity, License
from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.config import Config
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.authorizations import Authorization
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.licenses import LicenseUse
from govcode_node.providers.identity.local_kit import device_kit_blob
from kit.federation import BEIJING, SHANGHAI, WUHAN, Federation, open_federation
from kit.nodes import RunningNode
from kit.pki import KitPki
from kit.players import Holder, OperatorDesk, serial

LICENCES_FILE: Final = Path(__file__).with_name("licence_stories.toml")
MATTER: Final = "ROAM-1"
PERMIT: Final = "residence-permit"
DEGREE: Final = "degree-certificate"
PURPOSE: Final = "核验居住与学历"
MEANS: Final = "核验后不留存"
ARCHIVE: Final = "archive"
"""A licence system with a channel of its own."""
MOST_USES: Final = 200

PERMIT_FIELDS: Final = ("name", "permit_number", "address")
GRANTED_TWO: Final = {PERMIT: PERMIT_FIELDS, DEGREE: ("degree",)}
LIGHT: Final = {DEGREE: ("degree",)}
"""One item without a document."""
SENSITIVE: Final = {DEGREE: ("awarded",)}


def with_licences(config: Config) -> Config:
    """A node with a licence system of its own, outside of the node's folder, and a breaker that closes soon."""
    assert config.trust.bundle_file is not None
    home = config.trust.bundle_file.parent
    folder = home.parent.parent / "licence-systems" / home.name
    licences = replace(config.licences, folder=folder, synthetic_file=LICENCES_FILE)
    return replace(config, licences=licences, federation=replace(config.federation, breaker_open=timedelta(seconds=1)))


def connect(address: str, certificate: IssuedCertificate, *, pki: KitPki) -> AsyncClient:
    """A client of a node that shows a certificate."""
    identity = ClientIdentity(
        certificate=certificate.certificate_pem, key=certificate.key_pem, roots=pki.federation_ca_pem
    )
    return AsyncClient(address, identity)


async def stock(desk: OperatorDesk, *, key: Sm2PrivateKey) -> None:
    """Register licence types, the counter's matter and its key at a node that has its usual parties."""
    for license_type, name, fields in (
        (PERMIT, "居住证", ("name", "permit_number", "address")),
        (DEGREE, "学位证书", ("degree", "awarded")),
    ):
        await desk.stub.RegisterLicenseType(
            businessv1.RegisterLicenseTypeRequest(
                biz_serial=serial("type"), license_type=_licence_type(license_type, name, fields)
            )
        )
    await desk.stub.RegisterMatter(businessv1.RegisterMatterRequest(biz_serial=serial("matter"), matter=_matter()))
    public = cataloguev1.ApplicationKey(app_id="counter-app", public_key=key.public_key.to_point())
    await desk.stub.RegisterApplicationKey(
        businessv1.RegisterApplicationKeyRequest(biz_serial=serial("key"), key=public)
    )


def _licence_type(license_type: str, name: str, fields: Sequence[str]) -> cataloguev1.LicenseType:
    return cataloguev1.LicenseType(
        license_type=license_type,
        name=name,
        fields=[
            cataloguev1.LicenseTypeField(name=field_name, label=field_name, sensitive=field_name == "awarded")
            for field_name in fields
        ],
        subject_kinds=[subject_pb2.SUBJECT_KIND_PERSON],
    )


def _matter() -> cataloguev1.Matter:
    return cataloguev1.Matter(
        matter_code=MATTER,
        app_id="counter-app",
        name="异地入职核验",
        purpose=PURPOSE,
        handling_means=MEANS,
        items=[
            cataloguev1.MatterItem(license_type=PERMIT, field_names=PERMIT_FIELDS, document=True),
            cataloguev1.MatterItem(license_type=DEGREE, field_names=("degree", "awarded")),
        ],
        max_uses=MOST_USES,
        max_period=Duration(seconds=86_400),
        subject_kinds=[subject_pb2.SUBJECT_KIND_PERSON],
    )


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A counter's system with the key to which its licences are sealed.

    Attributes:
        client: How it calls its node.
        key: Its key.
    """

    client: AsyncClient
    key: Sm2PrivateKey = field(repr=False)

    async def ask(
        self, holders: AsyncClient, holder: Holder, items: Mapping[str, Sequence[str]], **terms: Any
    ) -> "Consent":
        """Scan the holder's code and ask for licences."""
        code = (await holder.present()).code.code_text
        scan = await self.client.codes.scan(code_text=code, scene_no=1)
        terms = {"purpose": PURPOSE, "handling_means": MEANS, "biz_serial": serial("ask")} | terms
        asked = await self.client.authorizations.request(
            scan_id=scan.answer.scan_id, matter_code=MATTER, items=items, **terms
        )
        return Consent(
            counter=self,
            holders=holders,
            holder=holder,
            authorization_id=asked.authorization.authorization_id,
            biz_serial=terms["biz_serial"],
        )


@dataclass(frozen=True, kw_only=True)
class Consent:
    """One authorization, from both sides.

    Attributes:
        counter: Who asked.
        holders: The client of the holder's back end.
        holder: Who was asked.
        authorization_id: The authorization.
        biz_serial: Serial of the request.
    """

    counter: Counter
    holders: AsyncClient
    holder: Holder
    authorization_id: str
    biz_serial: str

    async def page(self) -> authorizationv1.ConsentPage:
        """What the holder is shown."""
        answer = await self.holders.authorizations.get(
            authorization_id=self.authorization_id, session_token=self.holder.token
        )
        return answer.page

    async def grant(
        self, granted: Collection[int] = (1,), *, refused: Collection[int] = (), **facts: Any
    ) -> servicev1.DecideAuthorizationResponse:
        """The holder reads, grants and refuses."""
        proof = self.holder.device.prove_decide(
            session_token=self.holder.token,
            authorization_id=self.authorization_id,
            page=await self.page(),
            granted=granted,
            refused=refused,
            **facts,
        )
        return await self.holders.authorizations.decide(session_token=self.holder.token, proof=proof)

    async def begin_check(self, item_nos: Sequence[int] = (1,)) -> servicev1.BeginStepUpResponse:
        """The holder begins the stronger check that sensitive items need."""
        return await self.holders.authorizations.begin_step_up(
            session_token=self.holder.token, authorization_id=self.authorization_id, item_nos=item_nos
        )

    async def grant_sensitive(
        self, granted: Collection[int], *, digest: bytes, identification_id: str
    ) -> servicev1.DecideAuthorizationResponse:
        """The holder grants with a stronger check, each item confirmed."""
        person = self.holder.person
        proof = self.holder.device.prove_decide(
            session_token=self.holder.token,
            authorization_id=self.authorization_id,
            page=await self.page(),
            granted=granted,
            confirmed=granted,
            step_up_digest=digest,
        )
        return await self.holders.authorizations.decide(
            session_token=self.holder.token,
            proof=proof,
            identification_id=identification_id,
            provider_blob=device_kit_blob(
                identification_id=identification_id, id_number=person.id_number, secret=person.secret
            ),
        )

    async def withdraw(self) -> servicev1.WithdrawAuthorizationResponse:
        """The holder takes it back."""
        proof = self.holder.device.prove_withdraw(
            session_token=self.holder.token, authorization_id=self.authorization_id
        )
        return await self.holders.authorizations.withdraw(session_token=self.holder.token, proof=proof)

    async def fetch(self, item_no: int = 1, *, by: Counter | None = None, **options: Any) -> License:
        """The counter fetches an item."""
        counter = by or self.counter
        return await counter.client.authorizations.fetch_license(
            authorization_id=self.authorization_id,
            item_no=item_no,
            matter_code=MATTER,
            key=counter.key,
            biz_serial=options.pop("biz_serial", None) or serial("use"),
            **options,
        )

    async def seen_by_counter(self) -> servicev1.GetAuthorizationResponse:
        """What the counter sees of it."""
        return await self.counter.client.authorizations.get(authorization_id=self.authorization_id)

    async def token(self) -> evidence_pb2.Evidence:
        """The grant, as the counter shows it to a licence system."""
        return (await self.seen_by_counter()).grant

    async def row_at(self, node: RunningNode) -> Authorization | None:
        """The authorization as a node keeps it."""
        return await node.app.database.read(lambda tx: tx.authorizations.get(self.authorization_id))

    async def uses_at(self, node: RunningNode) -> list[LicenseUse]:
        """Its uses as a node keeps them."""
        return list(await node.app.database.read(lambda tx: tx.authorizations.uses_of(self.authorization_id)))


@dataclass
class LicenceLand:
    """A federation whose nodes have licence systems, and counters that may ask.

    Attributes:
        federation: The nodes.
        keys: The key of each node's counter.
    """

    federation: Federation
    keys: dict[str, Sm2PrivateKey] = field(default_factory=dict)
    _clients: dict[tuple[str, str], AsyncClient] = field(default_factory=dict)

    def client(self, node_id: str, name: str, *, of: CallerClass = CallerClass.APP) -> AsyncClient:
        """The client of somebody at a node."""
        if (node_id, name) not in self._clients:
            node = self.federation[node_id]
            certificate = node.pki.issue(of, name, region=node_id)
            self._clients[node_id, name] = connect(node.app.address, certificate, pki=node.pki)
        return self._clients[node_id, name]

    def counter(self, node_id: str = BEIJING, *, address: str = "") -> Counter:
        """The counter of a node, which calls at another address where one is named."""
        if not address:
            return Counter(client=self.client(node_id, "counter-app"), key=self.keys[node_id])
        node = self.federation[node_id]
        client = connect(address, node.pki.app("counter-app", region=node_id), pki=node.pki)
        self._clients[node_id, address] = client
        return Counter(client=client, key=self.keys[node_id])

    @property
    def holders(self) -> AsyncClient:
        """The holders' back end in Wuhan."""
        return self.client(WUHAN, "holder-app")

    async def asked(
        self, items: Mapping[str, Sequence[str]] = LIGHT, *, name: str = "李示范", node_id: str = BEIJING, **terms: Any
    ) -> Consent:
        """A holder of a Wuhan code was asked at another node's counter."""
        holder = await self.federation.holder(WUHAN, name)
        return await self.counter(node_id).ask(self.holders, holder, items, **terms)

    async def granted(self, items: Mapping[str, Sequence[str]] = LIGHT, **terms: Any) -> Consent:
        """The same, and the holder granted everything."""
        consent = await self.asked(items, **terms)
        await consent.grant(range(1, len(items) + 1))
        return consent

    @asynccontextmanager
    async def away(self, node_id: str) -> AsyncIterator[None]:
        """A node is stopped for the length of a block, and then back at its address with its files."""
        await self.federation.stop(node_id)
        try:
            yield
        finally:
            await self.federation.start_again(node_id)

    async def close(self) -> None:
        """Close the clients."""
        await asyncio.gather(*(client.close() for client in self._clients.values()))


@asynccontextmanager
async def open_licence_land(folder: Path, *node_ids: str) -> AsyncIterator[LicenceLand]:
    """A federation with licences for the length of a block: Beijing, Shanghai and Wuhan unless others are named."""
    ids = node_ids or (BEIJING, SHANGHAI, WUHAN)
    async with open_federation(folder / "nodes", *ids, changes=with_licences) as federation:
        land = LicenceLand(federation)
        for node_id in ids:
            node = federation[node_id]
            land.keys[node_id] = Sm2PrivateKey.generate()
            await stock(node.operator, key=land.keys[node_id])
            await _licence_system(node)
        try:
            yield land
        finally:
            await land.close()


async def _licence_system(node: RunningNode) -> None:
    """Register a licence system that delivers by a channel of its own."""
    listed = await node.operator.stub.ListApplications(businessv1.ListApplicationsRequest())
    owner = next(one.relying_party_id for one in listed.applications if one.app_id == "counter-app")
    kind = registryv1.APPLICATION_KIND_LICENSE_SYSTEM
    await node.operator.application(ARCHIVE, relying_party_id=owner, kind=kind)
