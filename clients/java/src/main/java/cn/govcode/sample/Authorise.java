package cn.govcode.sample;

import cn.govcode.authorization.v1.Authorization;
import cn.govcode.authorization.v1.AuthorizationItem;
import cn.govcode.authorization.v1.AuthorizationState;
import cn.govcode.authorization.v1.FetchLicenseRequest;
import cn.govcode.authorization.v1.LicenseField;
import cn.govcode.authorization.v1.LicenseUse;
import cn.govcode.authorization.v1.ListLicenseUsesRequest;
import cn.govcode.authorization.v1.RequestAuthorizationRequest;
import cn.govcode.authorization.v1.WaitAuthorizationRequest;
import cn.govcode.code.v1.ScanCodeRequest;
import cn.govcode.routing.v1.TrustBundle;
import cn.govcode.sample.EvidenceChecker.EvidenceException;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * 6.3 授权调用电子证照: a counter asks for licences, the holder decides item by item, the counter fetches what was granted.
 */
final class Authorise {
    private static final int WAIT_SECONDS = 20;

    private final Sandbox sandbox;
    private final NodeClient counter;
    private final Sm2Key key;

    private Authorise(Sandbox sandbox, NodeClient counter) {
        this.sandbox = sandbox;
        this.counter = counter;
        this.key = sandbox.encryptionKey();
    }

    static void play(Sandbox sandbox, Holder holder)
            throws BrokenSealException, EvidenceException, InvalidProtocolBufferException {
        try (NodeClient counter = sandbox.app("counter_app")) {
            new Authorise(sandbox, counter).play(holder);
        }
    }

    /** A licence with a document, which another region holds: granted, fetched, withdrawn. Then a sensitive field. */
    private void play(Holder holder) throws BrokenSealException, EvidenceException, InvalidProtocolBufferException {
        Authorization asked = ask(holder, sandbox.matter("residence"));
        List<String> names = new ArrayList<>();
        for (AuthorizationItem item : asked.getItemsList()) {
            names.add(item.getLicenseType());
        }
        Sample.say("  asked for: " + String.join(", ", names));

        new Decision(holder, asked.getAuthorizationId()).grantOnly(Collections.singleton(1));
        Authorization granted = waitForDecision(asked.getAuthorizationId());
        if (granted.getState() != AuthorizationState.AUTHORIZATION_STATE_GRANTED) {
            throw new IllegalStateException("it is " + granted.getState());
        }

        Delivery licence = fetch(granted, 1);
        List<String> fields = new ArrayList<>();
        for (LicenseField field : licence.content().getFieldsList()) {
            fields.add(field.getName());
        }
        TrustBundle trust = TrustBundles.fetch(counter, sandbox.hubPoint());
        TrustBundles.check(
                trust, licence.evidence(), "LICENSE_DELIVERY", "govcode.authorization.v1.LicenseDelivery");
        Sample.say(
                "  fetched: " + String.join(", ", fields) + ", document " + licence.document().length + " bytes, "
                        + licence.header().getRemainingUses() + " uses left");

        expectRefusal("ITEM_NOT_GRANTED", granted, 2);
        Sample.say("  an item that was not granted is refused");

        new Decision(holder, granted.getAuthorizationId()).withdraw();
        expectRefusal("GRANT_WITHDRAWN", granted, 1);
        Sample.say("  withdrawn: no further use begins");

        ListLicenseUsesRequest ofThis =
                ListLicenseUsesRequest.newBuilder()
                        .setSessionToken(holder.session().getSessionToken())
                        .setAuthorizationId(granted.getAuthorizationId())
                        .build();
        List<LicenseUse> uses = holder.node().authorizations().listLicenseUses(ofThis).getUsesList();
        Sample.say("  the holder sees " + uses.size() + " use: " + uses.get(0).getRelyingPartyName());

        String sensitive = ask(holder, sandbox.matter("sensitive")).getAuthorizationId();
        new Decision(holder, sensitive).grantOnly(Collections.singleton(1));
        Sample.say("  a sensitive item, after a stronger identity check: " + waitForDecision(sensitive).getState());
    }

    /** The counter scans the holder's code and asks within ten minutes, within what is registered for the matter. */
    private Authorization ask(Holder holder, Sandbox.Matter matter) {
        ScanCodeRequest scan =
                ScanCodeRequest.newBuilder()
                        .setBizSerial(NodeClient.newSerial("SCAN"))
                        .setCodeText(holder.presentOnce().getCodeText())
                        .setSceneNo(sandbox.scene("counter"))
                        .build();
        RequestAuthorizationRequest request =
                RequestAuthorizationRequest.newBuilder()
                        .setBizSerial(NodeClient.newSerial("ASK"))
                        .setScanId(counter.codes().scanCode(scan).getAnswer().getScanId())
                        .setMatterCode(matter.code)
                        .setPurpose("核验申请人身份与资格")
                        .setHandlingMeans("核验后不留存")
                        .addAllItems(matter.items)
                        .setRetention(Duration.getDefaultInstance())
                        .setMaxUses(2)
                        .setPeriod(Duration.newBuilder().setSeconds(TimeUnit.HOURS.toSeconds(1)))
                        .build();
        return counter.authorizations().requestAuthorization(request).getAuthorization();
    }

    /** A long poll: the deadline must be longer than the wait. */
    private Authorization waitForDecision(String authorizationId) {
        WaitAuthorizationRequest request =
                WaitAuthorizationRequest.newBuilder()
                        .setAuthorizationId(authorizationId)
                        .setWait(Duration.newBuilder().setSeconds(WAIT_SECONDS))
                        .build();
        return counter.authorizations()
                .withDeadlineAfter(WAIT_SECONDS + 5, TimeUnit.SECONDS)
                .waitAuthorization(request)
                .getAuthorization();
    }

    private Delivery fetch(Authorization granted, int itemNo) throws BrokenSealException {
        FetchLicenseRequest request =
                FetchLicenseRequest.newBuilder()
                        .setBizSerial(NodeClient.newSerial("FETCH"))
                        .setAuthorizationId(granted.getAuthorizationId())
                        .setItemNo(itemNo)
                        .setMatterCode(granted.getMatterCode())
                        .build();
        return Delivery.fetch(counter, request, key);
    }

    private void expectRefusal(String reason, Authorization granted, int itemNo) throws BrokenSealException {
        try {
            fetch(granted, itemNo);
        } catch (StatusRuntimeException failed) {
            if (NodeError.of(failed).reason().equals(reason)) {
                return;
            }
            throw failed;
        }
        throw new IllegalStateException("it was not refused with " + reason);
    }
}
