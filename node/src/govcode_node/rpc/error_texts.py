"""What people are told of each error reason: a sentence in Chinese and English, who has to act, and whether to retry.

The sentences name no facts. Facts travel as metadata of `ErrorInfo`, so that a sentence can be shown to a holder as it
stands (N-55). Names are those of `govcode.error.v1.ErrorReason` without the prefix.
"""

from collections.abc import Mapping
from typing import Final

from govcode_node.rpc.authorization_texts import AUTHORIZATION_TEXTS
from govcode_node.rpc.error_text import Actor, ErrorText

_DEVELOPER = Actor.DEVELOPER
_OPERATOR = Actor.OPERATOR
_HOLDER = Actor.HOLDER
_NODE = Actor.NODE

_REQUESTS: Final = {
    "INVALID_FIELD": ErrorText(
        _DEVELOPER,
        False,
        "请求字段缺失或格式不正确，请修改请求",
        "a field of the request is missing or malformed; fix the request",
    ),
    "SERIAL_CONFLICT": ErrorText(
        _DEVELOPER,
        False,
        "业务流水号已用于其他内容，请为新业务使用新流水号",
        "the serial was used for another content; use a new serial for a new act",
    ),
    "CURSOR_INVALID": ErrorText(
        _DEVELOPER,
        False,
        "游标或分页标记不是本节点签发的或已失效，请从头开始",
        "the cursor or page token is not of this node or too old; begin without one",
    ),
    "CODE_MALFORMED": ErrorText(
        _DEVELOPER,
        False,
        "内容不是有效格式的政务服务码，请重新扫码",
        "the text is not a well-formed service code; scan again",
    ),
    "CODE_VERSION_UNSUPPORTED": ErrorText(
        _OPERATOR,
        False,
        "本节点不支持该码的版本或类型，请升级节点",
        "this node does not read that version or profile of codes; the node needs an upgrade",
    ),
    "SYMBOLOGY_UNSUPPORTED": ErrorText(
        _DEVELOPER,
        False,
        "本节点不支持该码制，请选用其他码制",
        "this node does not draw that symbology; choose another",
    ),
    "DATA_TOO_LONG": ErrorText(
        _DEVELOPER,
        False,
        "内容过长，无法在该纠错等级下成码，请降低纠错等级",
        "the text does not fit into a symbol at that error level; choose a lower level",
    ),
    "EXTENSION_TOO_LONG": ErrorText(
        _DEVELOPER, False, "扩展域超过 200 字节，请缩短", "the extension is longer than 200 bytes; shorten it"
    ),
    "MESSAGE_TOO_LARGE": ErrorText(
        _DEVELOPER,
        False,
        "报文超过节点允许的大小，请拆分请求",
        "the message is over the size limit of the node; split the request",
    ),
}

_CALLERS: Final = {
    "CERTIFICATE_MISSING": ErrorText(
        _DEVELOPER,
        False,
        "连接未提供带身份的客户端证书，请使用本机构的证书连接",
        "the connection has no client certificate with an identity; connect with yours",
    ),
    "CERTIFICATE_UNTRUSTED": ErrorText(
        _OPERATOR,
        False,
        "证书已过期或签发机构无权签发该身份，请更换证书",
        "the certificate is expired or its authority may not issue that identity; get another certificate",
    ),
    "CALLER_NOT_ALLOWED": ErrorText(
        _DEVELOPER,
        False,
        "该类调用方无权调用此接口，请改用接口契约 Callers 一行所列的身份",
        "this kind of caller may not call this method; the contract's line Callers says who may",
    ),
    "METHOD_NOT_IN_POLICY": ErrorText(
        _OPERATOR,
        False,
        "此接口未列入节点访问策略，任何人不得调用，请联系节点管理员",
        "the method is not in the node's policy; nobody may call it",
    ),
    "APP_UNKNOWN": ErrorText(
        _OPERATOR,
        False,
        "应用未在本节点登记，请联系业务管理员登记",
        "the application is not registered at this node; an operator registers it",
    ),
    "APP_DISABLED": ErrorText(
        _OPERATOR,
        False,
        "应用或其所属单位未启用，请联系业务管理员",
        "the application or its organisation is not enabled; an operator enables it",
    ),
    "DEVICE_UNKNOWN": ErrorText(
        _OPERATOR,
        False,
        "识读终端未登记或属于其他应用，请联系业务管理员登记",
        "the scanner is not registered for this application; an operator registers it",
    ),
    "DEVICE_DISABLED": ErrorText(
        _OPERATOR, False, "识读终端未启用，请联系业务管理员", "the scanner is not enabled; an operator enables it"
    ),
    "OPERATOR_UNKNOWN": ErrorText(
        _OPERATOR,
        False,
        "该管理员在本节点没有角色，请在节点配置 [operators] 中登记",
        "the operator has no role at this node; enter it under [operators] in the node's configuration",
    ),
    "IDENTITY_MISMATCH": ErrorText(
        _DEVELOPER,
        False,
        "证书身份与报文中的节点标识不一致，请改用该节点的证书",
        "the certificate names another node than the message; use that node's certificate",
    ),
}

_HOLDERS: Final = {
    "IDENTITY_FAILED": ErrorText(
        _HOLDER, False, "身份核验未通过，请重新核验", "the identity was not confirmed; try the check again"
    ),
    "IDENTIFICATION_EXPIRED": ErrorText(
        _HOLDER, False, "身份核验已失效，请重新发起", "the identity check is used or too old; begin a new one"
    ),
    "IDENTITY_PROVIDER_UNAVAILABLE": ErrorText(
        _NODE, True, "身份核验服务暂不可用，请稍后再试", "the identity provider does not answer; try again later"
    ),
    "ASSURANCE_TOO_LOW": ErrorText(
        _HOLDER, False, "身份核验等级不足，请使用更高等级的核验方式", "a stronger identity check is needed for this"
    ),
    "ALREADY_OPEN": ErrorText(
        _HOLDER,
        False,
        "该主体已在本节点开户，请直接登录或绑定新设备",
        "there is an account already; open a session or bind a new device",
    ),
    "TERMS_NOT_ACCEPTED": ErrorText(
        _HOLDER, False, "请阅读并同意现行服务协议", "the terms in force must be read and accepted"
    ),
    "ACCOUNT_NOT_FOUND": ErrorText(
        _HOLDER, False, "没有该主体的有效账户，请先开户", "there is no such open account; open one"
    ),
    "SUBJECT_SUSPENDED": ErrorText(
        _OPERATOR, False, "账户已被暂停，请联系管理机构", "the account is suspended; its authority can be asked why"
    ),
    "DEVICE_NOT_BOUND": ErrorText(
        _HOLDER, False, "该设备未与账户绑定，请先绑定设备", "this device is not bound to the account; bind it first"
    ),
    "HOLDER_PROOF_INVALID": ErrorText(
        _DEVELOPER,
        False,
        "持有人签名缺失、不匹配或已过期，请重新签名",
        "the holder's signature is missing, too old, or not for this act; sign again",
    ),
    "SESSION_INVALID": ErrorText(
        _HOLDER, False, "会话不存在或已结束，请重新登录", "the session is unknown or over; open a new one"
    ),
    "SESSION_NOT_FOUND": ErrorText(
        _DEVELOPER, False, "该账户没有此会话，请先列出会话", "the account has no such session; list its sessions"
    ),
    "RELATION_NOT_PROVEN": ErrorText(
        _OPERATOR,
        False,
        "没有有效的代办关系，请先登记关系证明",
        "no relation in force allows presenting for that account; an operator registers one from a proof",
    ),
    "RELATION_UNKNOWN": ErrorText(
        _DEVELOPER, False, "没有此代办关系，请核对关系编号", "there is no such relation; check its id"
    ),
}

_CODES: Final = {
    "SCENE_UNKNOWN": ErrorText(
        _DEVELOPER,
        False,
        "本节点没有此用码场景，请核对场景编号",
        "no such scene is in force at this node; check its number",
    ),
    "SCENE_NOT_ALLOWED": ErrorText(
        _OPERATOR,
        False,
        "该应用未登记此用码场景，或场景不适用于该类主体，请联系业务管理员登记",
        "the scene is not registered for this application, or not open to this kind of subject; tell the operator",
    ),
    "TERMINAL_RULE_VIOLATED": ErrorText(
        _DEVELOPER,
        False,
        "该类终端不允许展示此种码，请换用其他终端或码",
        "this kind of display may not show such a code; use another display or code",
    ),
    "TICKET_INVALID": ErrorText(
        _DEVELOPER, False, "制码凭据无效，请重新申请", "the ticket is unknown or another's; apply for a new one"
    ),
    "TICKET_EXPIRED": ErrorText(
        _DEVELOPER, False, "制码凭据已过期，请重新申请", "the ticket is too old; apply for a new one"
    ),
    "TICKET_USED": ErrorText(
        _DEVELOPER, False, "制码凭据已使用，请重新申请", "the ticket was used; apply for a new one"
    ),
    "CODE_NOT_FOUND": ErrorText(
        _DEVELOPER, False, "没有此码，请核对码标识", "there is no such code for this caller; check its id"
    ),
    "CODE_STATE_CONFLICT": ErrorText(
        _DEVELOPER,
        False,
        "码的当前状态不允许此操作，请先查询其状态",
        "the code's state does not allow that; look at its state first",
    ),
    "SCAN_NOT_FOUND": ErrorText(
        _DEVELOPER,
        False,
        "没有该调用方的有效扫码记录，请先扫码",
        "there is no such VALID scan of this caller; scan the code first",
    ),
    "SCAN_TOO_OLD": ErrorText(
        _DEVELOPER, False, "扫码已超过十分钟，请重新扫码", "the scan is older than ten minutes; scan again"
    ),
    "SCOPE_DENIED": ErrorText(
        _OPERATOR, False, "该场景不允许获取所请求的信息", "the scene does not allow one of the fields asked for"
    ),
    "CROSS_REGION_UNSUPPORTED": ErrorText(
        _DEVELOPER,
        False,
        "其他地区主体的信息只能在扫码时获得",
        "fields of another region's subject come with the scan and cannot be asked for later",
    ),
}

_REGISTRY: Final = {
    "DUPLICATE": ErrorText(
        _DEVELOPER,
        False,
        "该登记已存在，请查询原登记",
        "it is registered already; look for the registration that exists",
    ),
    "USCC_INVALID": ErrorText(
        _DEVELOPER,
        False,
        "统一社会信用代码格式不正确，请核对",
        "the unified social credit code is not well-formed; check it",
    ),
    "PARTY_UNKNOWN": ErrorText(
        _DEVELOPER,
        False,
        "没有此单位、应用或终端，请核对编号",
        "there is no such relying party, application or scanner; check the id",
    ),
    "REGISTRATION_STATE_CONFLICT": ErrorText(
        _DEVELOPER,
        False,
        "登记的当前状态不允许此操作，请先查询其状态",
        "the registration's present state does not allow that move; look at its state first",
    ),
    "SCENE_RULE_OUT_OF_BOUNDS": ErrorText(
        _DEVELOPER, False, "场景规则超出允许范围，请调整", "a rule of the scene is outside its hard limits; change it"
    ),
}

_FEDERATION: Final = {
    "NO_ROUTE": ErrorText(
        _OPERATOR,
        False,
        "没有节点负责该地区，请核对地区代码或联系枢纽",
        "no node is home to that region; check the region code, or ask the hub",
    ),
    "TRUST_BUNDLE_MISSING": ErrorText(
        _NODE, True, "节点尚未取得信任数据，请稍后再试", "the node has no trust bundle yet; try again later"
    ),
    "TRUST_BUNDLE_STALE": ErrorText(
        _OPERATOR,
        True,
        "节点的信任数据已过期，暂不能跨地区核验，请检查与枢纽的连接",
        "the trust bundle is too old to ask other regions; check the connection to the hub",
    ),
    "NODE_UNKNOWN": ErrorText(
        _DEVELOPER, False, "枢纽没有此节点，请核对节点标识", "the hub knows no such node; check its id"
    ),
    "NODE_NOT_APPROVED": ErrorText(
        _OPERATOR,
        False,
        "节点尚未获准接入，请等待枢纽安全管理员批准",
        "the node is not approved; the hub's security operator approves it",
    ),
    "NODE_SUSPENDED": ErrorText(
        _OPERATOR, False, "节点已被枢纽暂停，请联系枢纽", "the hub has suspended the node; ask the hub's operators"
    ),
    "NODE_STATE_CONFLICT": ErrorText(
        _OPERATOR,
        False,
        "节点的当前状态不允许此操作，请先查询节点状态",
        "the node's present state does not allow that move; look at its state first",
    ),
    "PREFIX_CONFLICT": ErrorText(
        _OPERATOR,
        False,
        "该地区已由其他节点负责，请核对地区代码",
        "another node is home to that prefix; check the region code",
    ),
    "EVIDENCE_INVALID": ErrorText(
        _DEVELOPER, False, "签名凭证不可信", "the evidence is not signed by a key that is trusted for it"
    ),
    "EVIDENCE_STALE": ErrorText(
        _OPERATOR,
        False,
        "签名凭证的时间超出允许范围，请检查时钟",
        "the evidence is too old or from the future; check the clocks",
    ),
    "LOOP_DETECTED": ErrorText(
        _OPERATOR,
        False,
        "请求在节点之间成环，请检查路由",
        "the request came back to a node that it had passed; check the routes",
    ),
    "HOP_LIMIT": ErrorText(
        _OPERATOR, False, "请求经过的节点过多，请检查路由", "the request has passed too many nodes; check the routes"
    ),
    "HOME_NODE_UNREACHABLE": ErrorText(
        _NODE, True, "归属地节点暂无应答，请稍后再试", "the home node does not answer; try again later"
    ),
    "HUB_NOT_HERE": ErrorText(
        _DEVELOPER, False, "本节点不是枢纽，请改用枢纽地址", "this node is not the hub; call the hub"
    ),
}

_LOAD: Final = {
    "RATE_LIMITED": ErrorText(
        _DEVELOPER, True, "调用过于频繁，请稍后再试", "too many calls; wait as long as the answer says"
    ),
    "OVERLOADED": ErrorText(
        _NODE, True, "节点繁忙，请稍后再试", "the node has too much to do; wait as long as the answer says"
    ),
    "STREAM_LIMIT_REACHED": ErrorText(
        _DEVELOPER, False, "打开的流过多，请先关闭一些", "too many streams of this caller are open; close some"
    ),
    "DEADLINE_TOO_SHORT": ErrorText(
        _DEVELOPER, True, "剩余时间不足以完成请求，请放宽时限", "too little time is left to do the work; allow more"
    ),
    "STORE_UNAVAILABLE": ErrorText(
        _NODE,
        True,
        "存储暂不可用，未做任何更改，请稍后再试",
        "the store does not answer; nothing was done; try again later",
    ),
    "KEY_UNAVAILABLE": ErrorText(
        _OPERATOR,
        True,
        "密钥暂不可用，未签发任何内容，请联系节点管理员",
        "the key is not usable; nothing was issued; ask the node's operators",
    ),
    "DRAINING": ErrorText(
        _NODE, True, "节点即将停机，请改用其他地址", "the node is about to stop; call another endpoint"
    ),
    "INTERNAL_FAULT": ErrorText(
        _OPERATOR,
        False,
        "节点内部故障，请将请求编号告知节点管理员",
        "a fault of the node; tell its operators the request id",
    ),
}

ERROR_TEXTS: Final[Mapping[str, ErrorText]] = {
    **_REQUESTS,
    **_CALLERS,
    **_HOLDERS,
    **_CODES,
    **_REGISTRY,
    **_FEDERATION,
    **_LOAD,
    **AUTHORIZATION_TEXTS,
}
"""The text of every reason."""
