package cn.govcode.sample;

import cn.govcode.code.v1.IssuedCode;
import cn.govcode.code.v1.ScanCodeRequest;
import cn.govcode.code.v1.ScanCodeResponse;
import cn.govcode.common.v1.Decision;
import cn.govcode.common.v1.Outcome;
import cn.govcode.common.v1.Verdict;

/** 6.1 本地亮码扫码: a holder opens an account, presents a code, and a counter of the same region scans it. */
final class PresentAndScan {
    private PresentAndScan() {}

    static Holder play(Sandbox sandbox) {
        Holder holder = Holder.open(sandbox.app("holder_app"), sandbox.subject("free_2"), sandbox.termsVersion());
        Sample.say("  account open for " + holder.person().name + ", session " + holder.session().getSessionId());

        // One time: the first scan uses the code up, so that a photograph of it is worth nothing.
        IssuedCode code = holder.presentOnce();
        Sample.say("  code presented: " + code.getCodeText().substring(0, 12) + "…");

        try (NodeClient counter = sandbox.app("counter_app")) {
            // The serial stands for this one act. Should the answer be lost, the same request with the same serial gets it
            // again; a new serial would be a new act, and the code is used up by then.
            ScanCodeRequest request =
                    ScanCodeRequest.newBuilder()
                            .setBizSerial(NodeClient.newSerial("SCAN"))
                            .setCodeText(code.getCodeText())
                            .setSceneNo(sandbox.scene("counter"))
                            .setPlace("1 号窗口")
                            .build();
            ScanCodeResponse first = counter.codes().scanCode(request);
            expect(first.getVerdict(), Decision.DECISION_ACCEPT, Outcome.OUTCOME_VALID);
            Sample.say("  scanned: " + first.getVerdict().getTextZh() + " " + first.getVerdict().getTextEn());

            ScanCodeResponse again = counter.codes().scanCode(request);
            expect(again.getVerdict(), Decision.DECISION_ACCEPT, Outcome.OUTCOME_VALID);
            if (!again.getReplayed()) {
                throw new IllegalStateException("the same serial was taken for a new act");
            }

            ScanCodeRequest anotherAct = request.toBuilder().setBizSerial(NodeClient.newSerial("SCAN")).build();
            Verdict second = counter.codes().scanCode(anotherAct).getVerdict();
            expect(second, Decision.DECISION_REJECT, Outcome.OUTCOME_CONSUMED);
            Sample.say("  scanned once more: " + second.getTextZh() + " " + second.getTextEn());
        }
        return holder;
    }

    /** Only DECISION_ACCEPT lets somebody in; whatever this program does not know counts as a refusal. */
    static void expect(Verdict verdict, Decision decision, Outcome outcome) {
        if (verdict.getDecision() != decision || verdict.getOutcome() != outcome) {
            throw new IllegalStateException(
                    verdict.getDecision() + " " + verdict.getOutcome() + " in place of " + decision + " " + outcome);
        }
    }
}
