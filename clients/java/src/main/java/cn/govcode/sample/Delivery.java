package cn.govcode.sample;

import cn.govcode.authorization.v1.FetchLicenseResponse;
import cn.govcode.authorization.v1.LicenseChunk;
import cn.govcode.authorization.v1.LicenseContent;
import cn.govcode.authorization.v1.LicenseHeader;
import cn.govcode.common.v1.Evidence;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.util.encoders.Hex;

/**
 * A licence as it is delivered: only the application's own SM2 key opens it, whoever passed it on. The document goes to a
 * stream chunk by chunk, so that twenty megabytes need no memory.
 */
public final class Delivery {
    private static final byte[] CHUNK_TAG = "govcode-license-chunk-v1".getBytes(StandardCharsets.US_ASCII);
    private static final int KEY_ID_AT = 1;
    private static final int WRAPPED_AT = 11;
    private static final int NONCE_SIZE = 12;

    private final Sm2Key key;
    private final OutputStream document;
    private final SM3Digest digest = new SM3Digest();
    private LicenseHeader header;
    private LicenseContent content;
    private Evidence evidence;
    private int chunks;

    private Delivery(Sm2Key key, OutputStream document) {
        this.key = key;
        this.document = document;
    }

    /**
     * It reads a delivery to its end. Until it returns, what was written may not be used.
     *
     * @param pieces the answers of FetchLicense
     * @param key the application's encryption key
     * @param document where the document goes, if one was granted
     * @throws BrokenSealException the delivery broke off, or something of it was changed; fetch again with the same serial
     */
    public static Delivery read(Iterator<FetchLicenseResponse> pieces, Sm2Key key, OutputStream document)
            throws BrokenSealException, IOException {
        Delivery delivery = new Delivery(key, document);
        while (pieces.hasNext()) {
            delivery.take(pieces.next());
        }
        delivery.finish();
        return delivery;
    }

    /** The granted fields, with status, issuer and mark. */
    public LicenseContent content() {
        return content;
    }

    /** What the node that holds the licence states about the delivery, signed. */
    public Evidence evidence() {
        return evidence;
    }

    /** Id of the use, and what is left. */
    public LicenseHeader header() {
        return header;
    }

    private void take(FetchLicenseResponse piece) throws BrokenSealException, IOException {
        switch (piece.getPieceCase()) {
            case HEADER:
                header = piece.getHeader();
                byte[] opened = openEnvelope(key, header.getSealedContent().toByteArray(), ascii(header.getUseId()));
                try {
                    content = LicenseContent.parseFrom(opened);
                } catch (InvalidProtocolBufferException fault) {
                    throw new BrokenSealException("the content cannot be read", fault);
                }
                break;
            case CHUNK:
                byte[] plain = open(piece.getChunk());
                digest.update(plain, 0, plain.length);
                document.write(plain);
                chunks++;
                break;
            case DELIVERY:
                evidence = piece.getDelivery();
                break;
            default: // of a newer node
        }
    }

    private byte[] open(LicenseChunk chunk) throws BrokenSealException {
        if (header == null || chunk.getChunkNo() != chunks) {
            throw new BrokenSealException("chunk " + chunk.getChunkNo() + " came in place of " + chunks, null);
        }
        byte[] nonce = ByteBuffer.allocate(NONCE_SIZE).putInt(NONCE_SIZE - Integer.BYTES, chunk.getChunkNo()).array();
        byte[] useId = ascii(header.getUseId());
        byte[] additional =
                ByteBuffer.allocate(CHUNK_TAG.length + useId.length + 2 * Integer.BYTES)
                        .put(CHUNK_TAG)
                        .put(useId)
                        .putInt(chunk.getChunkNo())
                        .putInt(header.getChunkCount())
                        .array();
        return Sm.openSm4Gcm(content.getContentKey().toByteArray(), nonce, chunk.getData().toByteArray(), additional);
    }

    private void finish() throws BrokenSealException {
        if (header == null || evidence == null || chunks != header.getChunkCount()) {
            throw new BrokenSealException("the delivery is not whole", null);
        }
        byte[] found = new byte[digest.getDigestSize()];
        digest.doFinal(found, 0);
        if (chunks > 0 && !Arrays.equals(found, content.getDocumentDigest().toByteArray())) {
            throw new BrokenSealException("the document is not the one that was sent", null);
        }
    }

    /**
     * It opens an envelope (数字信封) for one key: version, key id, length of the wrapped key, SM2-wrapped SM4 key, nonce,
     * SM4-GCM ciphertext and tag.
     *
     * @param belongsTo what the content belongs to
     */
    static byte[] openEnvelope(Sm2Key key, byte[] envelope, byte[] belongsTo) throws BrokenSealException {
        if (envelope.length < WRAPPED_AT || envelope[0] != 1) {
            throw new BrokenSealException("no envelope of a known version", null);
        }
        if (!Hex.toHexString(envelope, KEY_ID_AT, 8).equals(key.keyId())) {
            throw new BrokenSealException("the envelope is for another key", null);
        }
        int nonceAt = WRAPPED_AT + (ByteBuffer.wrap(envelope).getShort(WRAPPED_AT - 2) & 0xFFFF);
        int sealedAt = nonceAt + NONCE_SIZE;
        if (envelope.length < sealedAt) {
            throw new BrokenSealException("the envelope is cut off", null);
        }
        byte[] contentKey = key.decrypt(Arrays.copyOfRange(envelope, WRAPPED_AT, nonceAt));
        byte[] additional =
                ByteBuffer.allocate(nonceAt + belongsTo.length).put(envelope, 0, nonceAt).put(belongsTo).array();
        return Sm.openSm4Gcm(
                contentKey,
                Arrays.copyOfRange(envelope, nonceAt, sealedAt),
                Arrays.copyOfRange(envelope, sealedAt, envelope.length),
                additional);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
