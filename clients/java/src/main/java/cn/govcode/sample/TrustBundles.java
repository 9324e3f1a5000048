package cn.govcode.sample;

import cn.govcode.common.v1.Evidence;
import cn.govcode.routing.v1.CodeRoutingServiceGrpc;
import cn.govcode.routing.v1.GetTrustBundleRequest;
import cn.govcode.routing.v1.NodeKey;
import cn.govcode.routing.v1.NodeKeyPurpose;
import cn.govcode.routing.v1.NodeTrust;
import cn.govcode.routing.v1.RevokedKey;
import cn.govcode.routing.v1.TrustBundle;
import cn.govcode.sample.EvidenceChecker.EvidenceException;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Timestamps;

/** The trust bundle: which node signs with which keys, signed by the hub, whose key comes by another way. */
public final class TrustBundles {
    private TrustBundles() {}

    /**
     * It asks a node for the bundle.
     *
     * @param hubPoint the hub's public point, as its operators publish it
     * @throws EvidenceException the hub did not sign it
     */
    public static TrustBundle fetch(NodeClient node, byte[] hubPoint)
            throws EvidenceException, InvalidProtocolBufferException {
        Evidence signed =
                CodeRoutingServiceGrpc.newBlockingStub(node.channel())
                        .getTrustBundle(GetTrustBundleRequest.getDefaultInstance())
                        .getBundle();
        String hubKeyId = Sm2Key.keyIdOf(hubPoint);
        EvidenceChecker pinned = new EvidenceChecker((nodeId, keyId) -> keyId.equals(hubKeyId) ? hubPoint : null);
        return TrustBundle.parseFrom(pinned.check(signed, "TRUST_BUNDLE", "govcode.routing.v1.TrustBundle"));
    }

    /** It checks a node's evidence by the keys of a bundle. */
    public static ByteString check(TrustBundle bundle, Evidence evidence, String purpose, String payloadType)
            throws EvidenceException {
        EvidenceChecker checker =
                new EvidenceChecker((nodeId, keyId) -> keyOf(bundle, nodeId, keyId, evidence.getSignedTime()));
        return checker.check(evidence, purpose, payloadType);
    }

    private static byte[] keyOf(TrustBundle bundle, String nodeId, String keyId, Timestamp signed) {
        for (RevokedKey revoked : bundle.getRevokedKeysList()) {
            // Who has a key that was revoked can write any time: what the evidence says of its time does not count.
            if (revoked.getNodeId().equals(nodeId) && revoked.getKeyId().equals(keyId)) {
                return null;
            }
        }
        for (NodeTrust node : bundle.getNodesList()) {
            for (NodeKey key : node.getKeysList()) {
                boolean meant = node.getNodeId().equals(nodeId) && key.getKeyId().equals(keyId);
                if (meant && key.getPurpose() == NodeKeyPurpose.NODE_KEY_PURPOSE_SIGN && inForce(key, signed)) {
                    byte[] point = key.getPublicKey().toByteArray();
                    return Sm2Key.keyIdOf(point).equals(keyId) ? point : null;
                }
            }
        }
        return null;
    }

    private static boolean inForce(NodeKey key, Timestamp time) {
        boolean begun = Timestamps.compare(time, key.getStartTime()) >= 0;
        return begun && (!key.hasEndTime() || Timestamps.compare(time, key.getEndTime()) < 0);
    }
}
