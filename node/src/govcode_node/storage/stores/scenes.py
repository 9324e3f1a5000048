"""Scenes in versions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import func, select

from govcode_node.domain.codes import CodeProfile, SubjectKind
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.storage.batches import Batch
from govcode_node.storage.columns import from_ms, to_ms
from govcode_node.storage.statements import Statement, constant, row_insert, value
from govcode_node.storage.tables import scenes

_c = scenes.c
_MILLISECOND: Final = timedelta(milliseconds=1)
_NEVER: Final = 1 << 62

_ADD = row_insert(scenes)
_NEWEST = Statement(select(func.max(_c.version)).where(_c.scene_no == value("no", _c.scene_no)), "no")
_later = scenes.alias("later")
_IN_FORCE = Statement(
    select(
        scenes,
        select(func.min(_later.c.effective_at))
        .where(_later.c.scene_no == _c.scene_no, _later.c.effective_at > value("now", _c.effective_at))
        .scalar_subquery(),
    )
    .where(_c.scene_no == value("no", _c.scene_no), _c.effective_at <= value("now", _c.effective_at))
    .order_by(_c.version.desc())
    .limit(value("limit", _c.version))
    .offset(constant(0)),
    "no",
    "now",
    "limit",
)
_other = scenes.alias("other")
_ALL_IN_FORCE = Statement(
    select(scenes)
    .where(
        _c.scene_no > value("after", _c.scene_no),
        _c.version
        == select(func.max(_other.c.version))
        .where(_other.c.scene_no == _c.scene_no, _other.c.effective_at <= value("now", _c.effective_at))
        .scalar_subquery(),
    )
    .order_by(_c.scene_no)
    .limit(value("limit", _c.version))
    .offset(constant(0)),
    "after",
    "now",
    "limit",
)


_Span = tuple[int, int, Scene]
"""From when and until when, in milliseconds, a version of a scene is the one in force."""


class SqlSceneStore:
    """Scenes. Leans on the primary key: number and version. Every scan asks for its scene: once in a batch."""

    __slots__ = ("_link", "_spans")

    def __init__(self, batch: Batch) -> None:
        self._link = batch.link
        self._spans: dict[int, _Span] = batch.memory()

    def add(self, scene: Scene) -> Scene:
        """See the port. Two writers that take the same number meet at the primary key, and one runs again."""
        row = self._link.one(_NEWEST, (scene.scene_no,))
        version = ((row[0] or 0) if row else 0) + 1
        numbered = replace(scene, version=version)
        self._spans.clear()
        self._link.write(_ADD, _to_row(numbered))
        return numbered

    def in_force(self, scene_no: int, *, now: datetime) -> Scene | None:
        """See the port."""
        moment = to_ms(now)
        span = self._spans.get(scene_no)
        if span is None or not span[0] <= moment < span[1]:
            row = self._link.one(_IN_FORCE, (scene_no, moment, 1))
            if row is None:
                return None
            scene = _scene(tuple(row[:-1]))
            until = row[-1]
            span = self._spans[scene_no] = (to_ms(scene.effective_at), _NEVER if until is None else until, scene)
        return span[2]

    def all_in_force(self, *, now: datetime, after: int, limit: int) -> Sequence[Scene]:
        """See the port."""
        return [_scene(tuple(row)) for row in self._link.all(_ALL_IN_FORCE, (after, to_ms(now), limit))]


def _to_row(scene: Scene) -> tuple[Any, ...]:
    return (
        scene.scene_no,
        scene.version,
        scene.name,
        int(scene.scene_class),
        ",".join(str(int(kind)) for kind in sorted(scene.subject_kinds)),
        None if scene.validity is None else scene.validity // _MILLISECOND,
        None if scene.refresh_after is None else scene.refresh_after // _MILLISECOND,
        int(scene.profile),
        int(scene.one_time),
        int(scene.offline_allowed),
        ",".join(f"{rule.name.value}:{int(rule.unmasked)}" for rule in scene.fields),
        scene.assurance_level,
        to_ms(scene.effective_at),
    )


@lru_cache(maxsize=1024)
def _scene(row: tuple[Any, ...]) -> Scene:
    """It builds a scene; each code and each scan asks for one of few, so the finished values are kept by their rows."""
    return Scene(
        scene_no=row[0],
        version=row[1],
        name=row[2],
        scene_class=SceneClass(row[3]),
        subject_kinds=frozenset(SubjectKind(int(kind)) for kind in row[4].split(",") if kind),
        validity=None if row[5] is None else row[5] * _MILLISECOND,
        refresh_after=None if row[6] is None else row[6] * _MILLISECOND,
        profile=CodeProfile(row[7]),
        one_time=bool(row[8]),
        offline_allowed=bool(row[9]),
        fields=tuple(_rule(text) for text in row[10].split(",") if text),
        assurance_level=row[11],
        effective_at=from_ms(row[12]),
    )


def _rule(text: str) -> FieldRule:
    name, _, unmasked = text.partition(":")
    return FieldRule(FieldName(name), unmasked=unmasked == "1")
