"""The consent page (告知页): the text that a holder sees before the decision, in versions, and its hash (6.3-06).

The text is made from the request alone, so that the page of a request can be made again and compared at any time. What
must stand in it follows from the law on personal information (articles 17, 23, 29 and 30): recipient and contact,
purpose and means, kinds of information with the sensitive ones apart, how long they are kept, how to withdraw, and what
a refusal means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from govcode_node.domain.authorizations import ConsentRequest
from govcode_node.domain.catalogue import LicenseType
from govcode_node.domain.digests import sm3


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPage:
    """What is shown.

    Attributes:
        version: Version of the template.
        text: The text.
        text_hash: SM3 of its UTF-8 bytes.
    """

    version: str
    text: str
    text_hash: bytes


def _text_2026_11(request: ConsentRequest, types: Mapping[str, LicenseType]) -> str:
    lines = [
        f"接收方：{request.relying_party_name}（统一社会信用代码 {request.relying_party_uscc}）",
        f"联系方式：{request.relying_party_contact}",
        f"办理事项：{request.matter_name}（{request.matter_code}）",
        f"处理目的：{request.purpose}",
        f"处理方式：{request.handling_means}",
        "调用的信息：",
    ]
    for item in request.items:
        kind = types[item.asked.license_type]
        labels = kind.labels()
        parts = [labels[name] for name in item.asked.field_names]
        if item.asked.document:
            parts.append("证照文件")
        mark = "【敏感个人信息，需单独确认】" if kind.is_sensitive(item.asked) else ""
        lines.append(f"  {item.item_no}. {kind.name}：{'、'.join(parts)}{mark}")
    lines += [
        f"使用次数：每项不超过 {request.max_uses} 次，自同意起 {_span(request.period)}内有效",
        f"保存期限：{_span(request.retention) if request.retention else '使用后不保存'}",
        "撤回方式：可随时在本应用的“授权记录”中撤回；撤回不影响此前已完成的使用",
        "拒绝的后果：可以逐项拒绝；拒绝非必需项不影响办理，拒绝必需项时请改用其他方式提交材料",
    ]
    return "\n".join(lines)


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("天", 86_400), ("小时", 3600), ("分钟", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} 秒"


NOTICE_VERSION: Final = "2026-11"
"""Version of the template for new requests."""

_TEMPLATES: Final[Mapping[str, Callable[[ConsentRequest, Mapping[str, LicenseType]], str]]] = {
    "2026-11": _text_2026_11,
}


def consent_page(request: ConsentRequest, types: Mapping[str, LicenseType]) -> ConsentPage:
    """It makes the page of a request.

    Args:
        request: What is asked.
        types: The catalogue's entry of each licence type in it.
    """
    text = _TEMPLATES[NOTICE_VERSION](request, types)
    return ConsentPage(version=NOTICE_VERSION, text=text, text_hash=sm3(text.encode()))
