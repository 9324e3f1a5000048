"""Sealed licence files for tests, and the ways to spoil them."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.crypto.sm2 import select_backend
from govcode_node.providers.licence.ofd import OfdFinding, verify_ofd
from govcode_node.providers.licence.seals import SealTrust
from govcode_node.providers.licence.specimen_keys import SpecimenHouse, found_house
from govcode_node.providers.licence.specimens import (
    SealPlan,
    SpecimenText,
    document_parts,
    seal_parts,
    write_package,
)

NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

BIRTH = SpecimenText(title="出生医学证明", lines=("姓名 张样例", "编号 SPECIMEN-B-0001"))
verify_sm2 = select_backend().verify


class KitKey:
    """A fresh SM2 key."""

    def __init__(self) -> None:
        self._key = Sm2PrivateKey.generate()
        self.point = self._key.public_key.to_point()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


ISSUER = "样例市卫生健康委员会"


@cache
def _founded(name: str) -> SpecimenHouse:
    return found_house(name, make_key=KitKey, now=NOON)


def house(name: str = ISSUER) -> SpecimenHouse:
    """A house that seals licences; the same one for the same name."""
    return _founded(name)


def plan(at: datetime = NOON) -> SealPlan:
    """How the usual house seals."""
    return SealPlan.usual(house(), sealed_at=at)


@cache
def _sealed(pages: int) -> Mapping[str, bytes]:
    return seal_parts(document_parts(BIRTH, pages=pages), plan())


def parts(pages: int = 2) -> dict[str, bytes]:
    """The parts of a sealed licence, the same bytes at each call; every caller may spoil its own."""
    return dict(_sealed(pages))


def package(content: Mapping[str, bytes]) -> io.BytesIO:
    """The parts as a file."""
    target = io.BytesIO()
    write_package(content, target)
    return target


def check(
    file: io.BytesIO | Mapping[str, bytes], *, trust: SealTrust | None = None, now: datetime = NOON
) -> OfdFinding:
    """The check of a file, with trust in the usual house."""
    opened = file if isinstance(file, io.BytesIO) else package(file)
    return verify_ofd(opened, trust=trust or house().trust(), verify_sm2=verify_sm2, now=now)
