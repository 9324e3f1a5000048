package cn.govcode.sample;

import cn.govcode.common.v1.Evidence;
import cn.govcode.common.v1.MerkleProof;
import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.BiFunction;

/** Evidence is checked without any node: the bytes as they came, a public key from the trust bundle, nothing else. */
public final class EvidenceChecker {
    private static final byte[] EVIDENCE_TAG = "govcode-evidence-v1".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] MERKLE_TAG = "govcode-merkle-v1".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] LEAF = {0};
    private static final byte[] INNER = {1};
    private static final int HASH_SIZE = 32;
    private static final int MAX_LEAVES = 65_536;
    private static final long MAX_SECONDS = 253_402_300_799L; // the end of the year 9999
    private static final int MILLISECOND = 1_000_000;

    private final BiFunction<String, String, byte[]> publicKeyOf;

    /**
     * It checks by keys that somebody else vouches for.
     *
     * @param publicKeyOf finds a node's evidence key by node id and key id; null where it is not known
     */
    public EvidenceChecker(BiFunction<String, String, byte[]> publicKeyOf) {
        this.publicKeyOf = publicKeyOf;
    }

    /** A piece of evidence proves nothing. */
    public static final class EvidenceException extends Exception {
        private static final long serialVersionUID = 1L;

        EvidenceException(String message) {
            super(message);
        }
    }

    /**
     * It returns the payload once the proof has held: verify first, parse then.
     *
     * @param purpose what the caller expects, for example {@code SCAN_ANSWER}; a signature for one purpose is worthless for
     *     another
     * @param payloadType full name of the message that is about to be parsed
     */
    public ByteString check(Evidence evidence, String purpose, String payloadType) throws EvidenceException {
        if (!evidence.getPayloadType().equals(payloadType)) {
            throw new EvidenceException("it carries " + evidence.getPayloadType() + ", not " + payloadType);
        }
        byte[] covered = signedBytes(evidence, purpose);
        ByteString signature;
        switch (evidence.getProofCase()) {
            case SM2_SIGNATURE:
                signature = evidence.getSm2Signature();
                break;
            case MERKLE:
                MerkleProof merkle = evidence.getMerkle();
                covered = concat(MERKLE_TAG, merkleRoot(leafHash(covered), merkle), timeBytes(merkle.getRootTime()));
                signature = merkle.getRootSignature();
                break;
            default:
                throw new EvidenceException("it carries no proof");
        }
        byte[] point = publicKeyOf.apply(evidence.getNodeId(), evidence.getKeyId());
        if (point == null) {
            throw new EvidenceException("no key " + evidence.getKeyId() + " of " + evidence.getNodeId() + " is known");
        }
        if (!Sm2Key.verify(point, signature.toByteArray(), covered)) {
            throw new EvidenceException("the signature does not hold");
        }
        return evidence.getPayload();
    }

    /** The exact bytes that a proof covers. */
    static byte[] signedBytes(Evidence evidence, String purpose) throws EvidenceException {
        return concat(
                EVIDENCE_TAG,
                text(purpose),
                text(evidence.getPayloadType()),
                text(evidence.getNodeId()),
                text(evidence.getKeyId()),
                timeBytes(evidence.getSignedTime()),
                evidence.getPayload().toByteArray());
    }

    /** The leaf of signed bytes; 0x00 keeps leaves and inner nodes apart. */
    static byte[] leafHash(byte[] signed) {
        return Sm.sm3(LEAF, signed);
    }

    /** It climbs from a leaf to the root; index and count dictate the exact length of the path. */
    static byte[] merkleRoot(byte[] leaf, MerkleProof proof) throws EvidenceException {
        // uint32 comes as a signed int: a count above the bound may look negative and is refused all the same.
        int index = proof.getLeafIndex();
        int count = proof.getLeafCount();
        if (count < 1 || count > MAX_LEAVES || index < 0 || index >= count) {
            throw new EvidenceException("leaf " + index + " of " + count + " is not possible");
        }
        List<ByteString> path = proof.getPathList();
        byte[] node = leaf;
        int used = 0;
        for (; count > 1; index >>= 1, count = (count + 1) >> 1) {
            if ((index ^ 1) >= count) {
                continue; // an odd node at the end of a level moves up as it is
            }
            if (used == path.size()) {
                throw new EvidenceException("the path is too short");
            }
            byte[] sibling = path.get(used++).toByteArray();
            if (sibling.length != HASH_SIZE) {
                throw new EvidenceException("a hash of the path does not have 32 bytes");
            }
            node = (index & 1) == 1 ? Sm.sm3(INNER, sibling, node) : Sm.sm3(INNER, node, sibling);
        }
        if (used != path.size()) {
            throw new EvidenceException("the path is too long");
        }
        return node;
    }

    // Eight bytes of milliseconds; what is finer would be carried beside the signature without being covered by it.
    private static byte[] timeBytes(Timestamp time) throws EvidenceException {
        boolean possible = time.getSeconds() >= 0 && time.getSeconds() <= MAX_SECONDS && time.getNanos() >= 0;
        if (!possible || time.getNanos() >= 1000 * MILLISECOND || time.getNanos() % MILLISECOND != 0) {
            throw new EvidenceException("the time is out of bounds or finer than a millisecond");
        }
        long milliseconds = time.getSeconds() * 1000 + time.getNanos() / MILLISECOND;
        return ByteBuffer.allocate(Long.BYTES).putLong(milliseconds).array();
    }

    private static byte[] text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Integer.BYTES + bytes.length).putInt(bytes.length).put(bytes).array();
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.write(part, 0, part.length);
        }
        return all.toByteArray();
    }
}
