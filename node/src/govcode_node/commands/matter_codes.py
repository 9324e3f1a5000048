"""Printed codes of matters (事项码), which holders scan at a counter so that it asks them for licences (主扫)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from govcode_client import Client


def make_matter_code(client: "Client", *, app_id: str, matter_code: str, name: str) -> str:
    """It registers a matter of an application as something with codes and makes a static one; the code's text.

    Args:
        client: A business operator's.
        app_id: The application that asks whoever scans the code.
        matter_code: The matter whose whole scope it asks for.
        name: Of the counter or matter, at most 64 characters.

    Raises:
        ClientError: The node refuses.
    """
    from govcode.code.v1 import code_base_service_pb2 as pb
    from govcode.code.v1.service_code_pb2 import CODE_MODE_STATIC, TERMINAL_TYPE_PRINTED
    from govcode_client import new_serial

    placed = client.business.register_placed_subject(
        subject_kind="MATTER", name=name, app_id=app_id, matter_code=matter_code
    )
    apply = pb.ApplyCodeRequest(
        biz_serial=new_serial("APPLY"),
        account_id=placed.account_id,
        code_mode=CODE_MODE_STATIC,
        terminal_type=TERMINAL_TYPE_PRINTED,
    )
    ticket = client.code_base.ApplyCode(apply).ticket
    made = client.code_base.MakeCode(pb.MakeCodeRequest(biz_serial=new_serial("MAKE"), ticket=ticket))
    return str(made.code.code_text)
