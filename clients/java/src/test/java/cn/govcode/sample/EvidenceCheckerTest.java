package cn.govcode.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import cn.govcode.common.v1.Evidence;
import cn.govcode.common.v1.MerkleProof;
import cn.govcode.sample.EvidenceChecker.EvidenceException;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.util.List;
import java.util.stream.Stream;
import org.bouncycastle.util.encoders.Hex;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The evidence vectors of the contract, checked by Bouncy Castle (N-41). */
class EvidenceCheckerTest {
    private final JsonObject vectors;
    private final EvidenceChecker checker;

    EvidenceCheckerTest() throws IOException {
        vectors = Vectors.read("evidence/evidence-v1.json");
        byte[] point = Vectors.bytes(vectors, "public_point");
        checker = new EvidenceChecker((nodeId, keyId) -> point);
    }

    private static Evidence evidenceOf(JsonObject entry, JsonObject batch) {
        Evidence.Builder evidence =
                Evidence.newBuilder()
                        .setPayload(Vectors.string(entry, "payload"))
                        .setPayloadType(entry.get("payload_type").getAsString())
                        .setNodeId(entry.get("node_id").getAsString())
                        .setKeyId(entry.get("key_id").getAsString())
                        .setSignedTime(Vectors.moment(entry, "signed_time_ms"));
        if (!entry.has("path")) {
            return evidence.setSm2Signature(Vectors.string(entry, "sm2_signature")).build();
        }
        MerkleProof.Builder merkle =
                evidence.getMerkleBuilder()
                        .setLeafIndex(entry.get("leaf_index").getAsInt())
                        .setLeafCount(batch.get("leaf_count").getAsInt())
                        .setRootTime(Vectors.moment(batch, "root_time_ms"))
                        .setRootSignature(Vectors.string(batch, "root_signature"));
        for (JsonElement sibling : entry.getAsJsonArray("path")) {
            merkle.addPath(ByteString.copyFrom(Hex.decode(sibling.getAsString())));
        }
        return evidence.build();
    }

    private ByteString check(JsonObject entry, JsonObject batch) throws EvidenceException {
        String type = entry.get("payload_type").getAsString();
        return checker.check(evidenceOf(entry, batch), entry.get("purpose").getAsString(), type);
    }

    @Test
    void plainEvidenceHolds() throws EvidenceException {
        for (JsonObject entry : Vectors.list(vectors, "plain")) {
            byte[] signed = EvidenceChecker.signedBytes(evidenceOf(entry, entry), entry.get("purpose").getAsString());
            assertArrayEquals(Vectors.bytes(entry, "signed_bytes"), signed);
            assertEquals(Vectors.string(entry, "payload"), check(entry, entry));
        }
    }

    @Test
    void everyLeafOfEveryBatchHolds() throws EvidenceException {
        for (JsonObject batch : Vectors.list(vectors, "batches")) {
            for (JsonObject leaf : Vectors.list(batch, "leaves")) {
                byte[] hash = EvidenceChecker.leafHash(Vectors.bytes(leaf, "signed_bytes"));
                assertArrayEquals(Vectors.bytes(leaf, "leaf_hash"), hash);
                MerkleProof proof = evidenceOf(leaf, batch).getMerkle();
                assertArrayEquals(Vectors.bytes(batch, "root"), EvidenceChecker.merkleRoot(hash, proof));
                assertEquals(Vectors.string(leaf, "payload"), check(leaf, batch));
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> whatMustBeRefusedIsRefused() {
        return Vectors.list(vectors, "refused").stream()
                .map(
                        entry ->
                                DynamicTest.dynamicTest(
                                        entry.get("why").getAsString(),
                                        () -> assertThrows(EvidenceException.class, () -> check(entry, entry))));
    }

    @Test
    void aSignatureForOnePurposeIsWorthlessForAnother() {
        List<JsonObject> plain = Vectors.list(vectors, "plain");
        for (JsonObject entry : plain) {
            Evidence evidence = evidenceOf(entry, entry);
            assertThrows(
                    EvidenceException.class, () -> checker.check(evidence, "TRUST_BUNDLE", evidence.getPayloadType()));
        }
    }

    @Test
    void evidenceWithoutAProofOrUnderAnUnknownKeyIsRefused() {
        JsonObject entry = Vectors.list(vectors, "plain").get(0);
        Evidence evidence = evidenceOf(entry, entry);
        String purpose = entry.get("purpose").getAsString();
        Evidence bare = evidence.toBuilder().clearProof().build();
        assertThrows(EvidenceException.class, () -> checker.check(bare, purpose, bare.getPayloadType()));
        EvidenceChecker ignorant = new EvidenceChecker((nodeId, keyId) -> null);
        assertThrows(EvidenceException.class, () -> ignorant.check(evidence, purpose, evidence.getPayloadType()));
    }
}
