"""What people are told of the error reasons of authorizations and licences (6.3); see `error_texts`."""

from collections.abc import Mapping
from typing import Final

from govcode_node.rpc.error_text import Actor, ErrorText

_DEVELOPER = Actor.DEVELOPER
_OPERATOR = Actor.OPERATOR
_HOLDER = Actor.HOLDER
_NODE = Actor.NODE

_ASKING: Final = {
    "SCOPE_NOT_REGISTERED": ErrorText(
        _OPERATOR,
        False,
        "该应用未登记此事项，请联系业务管理员登记",
        "the matter is not registered for this application; an operator registers it",
    ),
    "EXCESSIVE_SCOPE": ErrorText(
        _DEVELOPER,
        False,
        "请求的信息超出该事项登记的必要范围，请减少请求项",
        "more is asked for than the matter needs; leave out the item or field",
    ),
    "AUTHORIZATION_OUT_OF_POLICY": ErrorText(
        _DEVELOPER,
        False,
        "授权期限、次数或保存期限超出允许范围，请缩小",
        "period, number of uses or retention is over the limit; ask for less",
    ),
    "LICENSE_TYPE_UNKNOWN": ErrorText(
        _DEVELOPER,
        False,
        "目录中没有此证照类型或字段，请先查询证照类型目录",
        "the catalogue has no such licence type or field; list the licence types",
    ),
    "SUBJECT_UNREACHABLE": ErrorText(
        _HOLDER,
        False,
        "持有人没有可接收授权请求的应用，请先登录",
        "the holder has no application at which to decide; the holder opens a session, then ask again",
    ),
    "STATUTORY_NOT_ALLOWED": ErrorText(
        _OPERATOR,
        False,
        "该事项未配置依法定职责处理，或未注明法律依据，请改为征得本人同意",
        "the matter is not configured for use without consent, or the duty is not named; ask for consent",
    ),
    "SCENE_CODE_INVALID": ErrorText(
        _HOLDER,
        False,
        "此码不是有效的场所码或事项码，或该处未请求任何授权，请核对后重新扫码",
        "the code is no scene or matter code that holds now, or nothing is asked for there; scan another",
    ),
}

_DECIDING: Final = {
    "AUTHORIZATION_NOT_FOUND": ErrorText(
        _DEVELOPER,
        False,
        "没有该调用方的此项授权，请核对授权编号",
        "there is no such authorization for this caller; check its id",
    ),
    "NOT_OWNER": ErrorText(
        _HOLDER,
        False,
        "该会话无权处理此项授权，请由本人、监护人或受托人处理",
        "this session may not act on the authorization; the subject, a guardian or an agent may",
    ),
    "AUTHORIZATION_STATE_CONFLICT": ErrorText(
        _DEVELOPER,
        False,
        "授权的当前状态不允许此操作，请先查询其状态",
        "the authorization's state does not allow that; look at its state first",
    ),
    "AUTHORIZATION_TIMED_OUT": ErrorText(
        _DEVELOPER,
        False,
        "授权请求已超时，请由用码方重新发起",
        "the time to decide is over; the relying party asks again",
    ),
    "NOTICE_CHANGED": ErrorText(
        _DEVELOPER,
        False,
        "所签告知文本与本请求的文本不一致，请重新获取并展示后再签名",
        "the text that was signed is not the one of this request; read it again, show it, and sign anew",
    ),
    "SENSITIVE_NOT_CONFIRMED": ErrorText(
        _HOLDER,
        False,
        "敏感个人信息须单独确认，请逐项确认",
        "a sensitive item needs a confirmation of its own; confirm it item by item",
    ),
    "STEP_UP_REQUIRED": ErrorText(
        _HOLDER,
        False,
        "此操作需要更强的身份核验，请先完成核验",
        "this act needs a stronger identity check; begin one with BeginStepUp",
    ),
    "STEP_UP_MISMATCH": ErrorText(
        _HOLDER,
        False,
        "身份核验不属于本次操作，请为本次操作重新核验",
        "the identity check was made for something else or by somebody else; begin a new one for this act",
    ),
    "MANDATE_INVALID": ErrorText(
        _HOLDER,
        False,
        "授权委托无效或不涵盖此操作，请由法定代表人重新委托",
        "the mandate is not in force or does not cover this act; the legal representative gives another",
    ),
}

_USING: Final = {
    "ITEM_NOT_GRANTED": ErrorText(
        _DEVELOPER,
        False,
        "该项未获授权，请核对授权项",
        "the grant does not hold that item; look at the granted items",
    ),
    "MATTER_MISMATCH": ErrorText(
        _DEVELOPER,
        False,
        "授权不是为此事项作出的，改变用途须重新取得授权",
        "the grant is for another matter; another purpose needs a new authorization",
    ),
    "AUDIENCE_MISMATCH": ErrorText(
        _DEVELOPER,
        False,
        "授权属于其他应用，请使用本应用取得的授权",
        "the grant is for another application; use one of your own",
    ),
    "GRANT_EXHAUSTED": ErrorText(
        _DEVELOPER,
        False,
        "授权次数已用完，如需继续请重新请求授权",
        "as many uses as were granted have been made; ask for a new authorization",
    ),
    "GRANT_EXPIRED": ErrorText(
        _DEVELOPER,
        False,
        "授权已过期，如需继续请重新请求授权",
        "the time of the grant is over; ask for a new authorization",
    ),
    "GRANT_WITHDRAWN": ErrorText(
        _DEVELOPER,
        False,
        "持有人已撤回授权，请停止使用",
        "the holder has withdrawn the grant; no further use may be made",
    ),
    "CONSENT_REQUIRED": ErrorText(
        _DEVELOPER,
        False,
        "该信息仅可脱敏查看，如需完整信息请先取得本人授权",
        "the field may be seen whole only by the holder's authorization; ask for one",
    ),
}

_LICENCES: Final = {
    "ENCRYPTION_KEY_MISSING": ErrorText(
        _OPERATOR,
        False,
        "该应用未登记加密公钥，请联系业务管理员登记",
        "no encryption key is registered for the application; an operator registers it",
    ),
    "LOCATOR_REQUIRED": ErrorText(
        _DEVELOPER,
        False,
        "归属地未留存查询证照所需的姓名和号码，请提供本单位办件中的信息，或请持有人重新核验身份",
        "number and name are not held; give those of the own case, or have the holder identify anew",
    ),
    "LICENSE_NOT_FOUND": ErrorText(
        _HOLDER,
        False,
        "该地证照系统没有此证照，请选择其他签发地",
        "the licence system of that place has no such licence; choose another place",
    ),
    "LICENSE_NOT_VALID": ErrorText(
        _HOLDER,
        False,
        "证照已过期、吊销或暂停，请联系签发机关",
        "the licence is expired, revoked or suspended; its issuer can be asked",
    ),
    "LICENSE_SEAL_INVALID": ErrorText(
        _OPERATOR,
        False,
        "证照电子印章校验未通过，未交付任何内容，请联系签发机关",
        "the issuer's seal does not hold and nothing was delivered; tell the licence system's operators",
    ),
    "HOLDER_MISMATCH": ErrorText(
        _OPERATOR,
        False,
        "证照持有人与授权主体不一致，未交付任何内容，请联系管理机构核实",
        "the licence belongs to somebody else and nothing was delivered; an operator looks into it",
    ),
    "LICENSE_SERVICE_UNAVAILABLE": ErrorText(
        _NODE,
        True,
        "证照系统暂不可用，本次不计入使用次数，请稍后再试",
        "the licence system does not answer; the use does not count; wait as long as the answer says",
    ),
    "LICENSE_SERVICE_QUOTA": ErrorText(
        _OPERATOR,
        True,
        "证照系统调用额度已用完，本次不计入使用次数，请稍后再试或联系节点管理员",
        "the licence system's quota is used up; the use does not count; try later, or ask the node's operators",
    ),
}

AUTHORIZATION_TEXTS: Final[Mapping[str, ErrorText]] = {**_ASKING, **_DECIDING, **_USING, **_LICENCES}
"""The text of every reason that begins with 7."""
