package cn.govcode.sample;

import cn.govcode.code.v1.ListRecordsRequest;
import cn.govcode.code.v1.ScanAnswer;
import cn.govcode.code.v1.ScanCodeRequest;
import cn.govcode.code.v1.ScanCodeResponse;
import cn.govcode.code.v1.ScanRecord;
import cn.govcode.common.v1.Decision;
import cn.govcode.common.v1.Outcome;
import cn.govcode.federation.v1.RecognizeAnswer;
import cn.govcode.routing.v1.TrustBundle;
import cn.govcode.sample.EvidenceChecker.EvidenceException;
import com.google.protobuf.InvalidProtocolBufferException;

/**
 * 6.2 跨区域互认: a counter of another region scans the code; its node asks the code's home node and adds its own evidence.
 */
final class Recognise {
    private Recognise() {}

    static void play(Sandbox sandbox, Holder holder) throws EvidenceException, InvalidProtocolBufferException {
        String text = holder.presentOnce().getCodeText();
        try (NodeClient counter = sandbox.peerCounter()) {
            ScanCodeRequest request =
                    ScanCodeRequest.newBuilder()
                            .setBizSerial(NodeClient.newSerial("SCAN"))
                            .setCodeText(text)
                            .setSceneNo(sandbox.scene("counter"))
                            .build();
            ScanCodeResponse scanned = counter.codes().scanCode(request);
            PresentAndScan.expect(scanned.getVerdict(), Decision.DECISION_ACCEPT, Outcome.OUTCOME_VALID);

            // What stands in a dispute is the evidence: of the node that was asked, and of the home node that decided.
            TrustBundle trust = TrustBundles.fetch(counter, sandbox.hubPoint());
            ScanAnswer answer =
                    ScanAnswer.parseFrom(
                            TrustBundles.check(
                                    trust, scanned.getEvidence(), "SCAN_ANSWER", "govcode.code.v1.ScanAnswer"));
            RecognizeAnswer home =
                    RecognizeAnswer.parseFrom(
                            TrustBundles.check(
                                    trust,
                                    scanned.getHomeEvidence(),
                                    "RECOGNIZE_ANSWER",
                                    "govcode.federation.v1.RecognizeAnswer"));
            if (home.getOutcome() != answer.getOutcome()) {
                throw new IllegalStateException("the two nodes do not say the same");
            }
            if (!answer.getCrossRegion()) {
                throw new IllegalStateException("the code was not taken for one of another region");
            }
            Sample.say(
                    "  scanned in another region: " + scanned.getVerdict().getTextZh()
                            + ", decided by " + home.getHomeNodeId()
                            + " " + scanned.getHomeRegionName() + ", both signed");
        }
        // The holder sees every use, wherever it was.
        ListRecordsRequest newest =
                ListRecordsRequest.newBuilder()
                        .setSessionToken(holder.session().getSessionToken())
                        .setPageSize(1)
                        .build();
        ScanRecord record = holder.node().codes().listRecords(newest).getRecords(0);
        Sample.say("  the holder's record: " + record.getRelyingPartyName() + ", at node " + record.getVisitedNodeId());
    }
}
