package cn.govcode.sample;

import cn.govcode.authorization.v1.AuthorizationItem;
import cn.govcode.authorization.v1.AuthorizationServiceGrpc.AuthorizationServiceBlockingStub;
import cn.govcode.authorization.v1.BeginStepUpRequest;
import cn.govcode.authorization.v1.BeginStepUpResponse;
import cn.govcode.authorization.v1.ConsentPage;
import cn.govcode.authorization.v1.DecideAuthorizationRequest;
import cn.govcode.authorization.v1.DecideAuthorizationStatement;
import cn.govcode.authorization.v1.GetAuthorizationRequest;
import cn.govcode.authorization.v1.GetAuthorizationResponse;
import cn.govcode.authorization.v1.ItemDecision;
import cn.govcode.authorization.v1.LicensePlace;
import cn.govcode.authorization.v1.LocateLicensesRequest;
import cn.govcode.authorization.v1.WithdrawAuthorizationRequest;
import cn.govcode.authorization.v1.WithdrawAuthorizationStatement;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The holder's side of one authorization: the page is shown as it stands, and the device signs the exact decision. */
public final class Decision {
    private final Holder holder;
    private final String authorizationId;
    private final AuthorizationServiceBlockingStub node;
    private final String token;

    public Decision(Holder holder, String authorizationId) {
        this.holder = holder;
        this.authorizationId = authorizationId;
        this.node = holder.node().authorizations();
        this.token = holder.session().getSessionToken();
    }

    /** It grants these items and refuses all others. */
    public void grantOnly(Set<Integer> itemNos) {
        GetAuthorizationResponse asked =
                node.getAuthorization(
                        GetAuthorizationRequest.newBuilder()
                                .setAuthorizationId(authorizationId)
                                .setSessionToken(token)
                                .build());
        ConsentPage page = asked.getPage();
        byte[] shown = Sm.sm3(page.getNoticeText().getBytes(StandardCharsets.UTF_8));
        if (!Arrays.equals(shown, page.getNoticeHash().toByteArray())) {
            throw new IllegalStateException("the page is not the one to be signed");
        }
        Sample.say("  the holder reads: " + page.getNoticeText().split("\n", 2)[0]);

        String serial = NodeClient.newSerial("DECIDE");
        Map<Integer, String> places = places();
        DecideAuthorizationStatement.Builder statement =
                DecideAuthorizationStatement.newBuilder()
                        .setSessionId(holder.session().getSessionId())
                        .setBizSerial(serial)
                        .setAuthorizationId(authorizationId)
                        .setNoticeVersion(page.getNoticeVersion())
                        .setNoticeHash(page.getNoticeHash());
        boolean sensitive = false;
        for (AuthorizationItem item : asked.getAuthorization().getItemsList()) {
            boolean granted = itemNos.contains(item.getItemNo());
            sensitive |= granted && item.getSensitive();
            statement.addItems(
                    ItemDecision.newBuilder()
                            .setItemNo(item.getItemNo())
                            .setGranted(granted)
                            .setSensitiveConfirmed(granted && item.getSensitive()) // asked for by itself on the screen
                            .setLicenseNodeId(granted ? places.getOrDefault(item.getItemNo(), "") : ""));
        }
        DecideAuthorizationRequest.Builder request =
                DecideAuthorizationRequest.newBuilder().setBizSerial(serial).setSessionToken(token);
        if (sensitive) {
            BeginStepUpResponse begun = beginStepUp(itemNos);
            statement.setStepUpDigest(begun.getStepUpDigest());
            request.setIdentification(Holder.finished(begun.getIdentificationId(), holder.person()));
        }
        statement.setSignedTime(HolderDevice.now());
        node.decideAuthorization(request.setProof(holder.device().prove(statement.build())).build());
    }

    /** It takes the grant back: uses before that stay lawful, none begins after it. */
    public void withdraw() {
        String serial = NodeClient.newSerial("WITHDRAW");
        WithdrawAuthorizationStatement statement =
                WithdrawAuthorizationStatement.newBuilder()
                        .setSessionId(holder.session().getSessionId())
                        .setBizSerial(serial)
                        .setSignedTime(HolderDevice.now())
                        .setAuthorizationId(authorizationId)
                        .build();
        node.withdrawAuthorization(
                WithdrawAuthorizationRequest.newBuilder()
                        .setBizSerial(serial)
                        .setSessionToken(token)
                        .setProof(holder.device().prove(statement))
                        .build());
    }

    /** Where each item's licence is held; the first place where there are several. */
    private Map<Integer, String> places() {
        LocateLicensesRequest request =
                LocateLicensesRequest.newBuilder().setSessionToken(token).setAuthorizationId(authorizationId).build();
        Map<Integer, String> found = new HashMap<>();
        for (LicensePlace place : node.locateLicenses(request).getPlacesList()) {
            found.putIfAbsent(place.getItemNo(), place.getLicenseNodeId());
        }
        return found;
    }

    /** Sensitive items (敏感个人信息) need a stronger identity check, bound to this very decision. */
    private BeginStepUpResponse beginStepUp(Set<Integer> itemNos) {
        return node.beginStepUp(
                BeginStepUpRequest.newBuilder()
                        .setSessionToken(token)
                        .setAuthorizationId(authorizationId)
                        .addAllItemNos(itemNos)
                        .build());
    }
}
