"""A counter (用码方): it scans codes, lets people in by the verdict alone, and asks again when an answer was lost."""

import sys

from govcode_client import Client, ClientError, NodeSilentError, Sandbox, accepted, new_serial


def scan(counter: Client, code_text: str, *, scene_no: int) -> bool:
    """It scans one code and says whether its holder may come in."""
    serial = new_serial("COUNTER")
    for patience in (2.0, 8.0):
        try:
            answer = counter.codes.scan(
                code_text=code_text, scene_no=scene_no, place="3 号窗口", biz_serial=serial, timeout=patience
            )
        except NodeSilentError:
            # Whether the node acted is not known. Under the same serial it acts once, and says what it said.
            continue
        except ClientError as error:
            print(f"  {error}\n  {error.advice_zh}  {error.advice}")
            return False
        print(f"  {answer.verdict.text_zh}  {answer.verdict.text_en}  ({answer.verdict.advice})")
        for field in answer.answer.fields:
            print(f"  {field.name}: {field.value}")
        return accepted(answer)
    print("  the node is silent: look at a document")
    return False


def main(box: Sandbox) -> None:
    """It scans the codes that lie ready in a sandbox."""
    with box.client("counter_app") as counter:
        for name, text in box.facts["placed_codes"].items():
            print(name)
            print("  let in" if scan(counter, text, scene_no=box.scenes["counter"]) else "  not let in")


if __name__ == "__main__":
    main(Sandbox.load(*sys.argv[1:]))
