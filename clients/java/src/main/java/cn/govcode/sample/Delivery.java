package cn.govcode.sample;

import cn.govcode.authorization.v1.FetchLicenseRequest;
import cn.govcode.authorization.v1.FetchLicenseResponse;
import cn.govcode.authorization.v1.LicenseChunk;
import cn.govcode.authorization.v1.LicenseContent;
import cn.govcode.authorization.v1.LicenseDelivery;
import cn.govcode.authorization.v1.LicenseHeader;
import cn.govcode.common.v1.Evidence;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.function.Function;
import org.bouncycastle.util.encoders.Hex;

/**
 * A licence as it is delivered: only the application's own SM2 key opens it, whoever passed it on. Pieces are taken in order,
 * over several streams where one breaks, and nothing is handed out that is not whole.
 */
public final class Delivery {
    private static final byte[] CHUNK_TAG = "govcode-license-chunk-v1".getBytes(StandardCharsets.US_ASCII);
    private static final int KEY_ID_AT = 1;
    private static final int WRAPPED_AT = 11;
    private static final int NONCE_SIZE = 12;
    private static final int BROKEN_STREAMS = 3;

    private final Sm2Key key;
    private final String authorizationId;
    private final ByteArrayOutputStream document = new ByteArrayOutputStream();
    private final ByteArrayOutputStream sealed = new ByteArrayOutputStream();
    private LicenseHeader header;
    private LicenseContent content;
    private Evidence evidence;
    private int nextChunk;

    Delivery(Sm2Key key, String authorizationId) {
        this.key = key;
        this.authorizationId = authorizationId;
    }

    /**
     * It fetches one granted licence: one use of the grant. A stream that breaks is gone on with under the same serial, which
     * is not counted again.
     *
     * @param node the node, as {@code app.relying_party}
     * @param request serial, authorization, item and matter
     * @param key private half of the encryption key that is registered for the application
     * @throws StatusRuntimeException the node refuses; nothing was delivered and nothing counts
     * @throws BrokenSealException what came was changed, or belongs elsewhere
     */
    public static Delivery fetch(NodeClient node, FetchLicenseRequest request, Sm2Key key) throws BrokenSealException {
        return fetch(node.authorizations()::fetchLicense, request, key);
    }

    static Delivery fetch(
            Function<FetchLicenseRequest, Iterator<FetchLicenseResponse>> node, FetchLicenseRequest request, Sm2Key key)
            throws BrokenSealException {
        Delivery delivery = new Delivery(key, request.getAuthorizationId());
        for (int broken = 0; ; broken++) {
            try {
                FetchLicenseRequest next = request.toBuilder().setFromChunk(delivery.nextChunk).build();
                Iterator<FetchLicenseResponse> pieces = node.apply(next);
                while (pieces.hasNext()) {
                    delivery.take(pieces.next());
                }
                return delivery.whole();
            } catch (StatusRuntimeException failed) {
                boolean lost = failed.getStatus().getCode() == Status.Code.UNAVAILABLE;
                if (!lost || !NodeError.of(failed).reason().isEmpty() || broken == BROKEN_STREAMS) {
                    throw failed;
                }
            }
        }
    }

    /** The granted fields, with status, issuer and mark. */
    public LicenseContent content() {
        return content;
    }

    /** The document; empty where none was granted. */
    public byte[] document() {
        return document.toByteArray();
    }

    /** What the node that holds the licence states about the delivery, signed: keep it. */
    public Evidence evidence() {
        return evidence;
    }

    /** Id of the use, and the uses that are left. */
    public LicenseHeader header() {
        return header;
    }

    void take(FetchLicenseResponse piece) throws BrokenSealException {
        switch (piece.getPieceCase()) {
            case HEADER:
                begin(piece.getHeader());
                break;
            case CHUNK:
                add(piece.getChunk());
                break;
            case DELIVERY:
                end(piece.getDelivery());
                break;
            default: // of a newer node
        }
    }

    Delivery whole() throws BrokenSealException {
        if (evidence == null) {
            throw new BrokenSealException("the delivery is not whole", null);
        }
        return this;
    }

    private void begin(LicenseHeader next) throws BrokenSealException {
        byte[] opened = openEnvelope(key, next.getSealedContent().toByteArray(), ascii(next.getUseId()));
        LicenseContent found = parsed(() -> LicenseContent.parseFrom(opened));
        boolean other = content != null && !content.getDocumentDigest().equals(found.getDocumentDigest());
        if (other || next.getFromChunk() == 0) {
            // The licence was changed between two streams, or it begins anew: what came before is of no use.
            document.reset();
            sealed.reset();
            nextChunk = 0;
        }
        if (next.getFromChunk() != nextChunk) {
            throw new BrokenSealException("it goes on from chunk " + next.getFromChunk() + ", not " + nextChunk, null);
        }
        header = next;
        content = found;
    }

    private void add(LicenseChunk chunk) throws BrokenSealException {
        if (header == null || chunk.getChunkNo() != nextChunk) {
            throw new BrokenSealException("chunk " + chunk.getChunkNo() + " came in place of " + nextChunk, null);
        }
        byte[] nonce = ByteBuffer.allocate(NONCE_SIZE).putInt(NONCE_SIZE - Integer.BYTES, nextChunk).array();
        byte[] useId = ascii(header.getUseId());
        byte[] additional =
                ByteBuffer.allocate(CHUNK_TAG.length + useId.length + 2 * Integer.BYTES)
                        .put(CHUNK_TAG)
                        .put(useId)
                        .putInt(nextChunk)
                        .putInt(header.getChunkCount())
                        .array();
        byte[] data = chunk.getData().toByteArray();
        byte[] plain = Sm.openSm4Gcm(content.getContentKey().toByteArray(), nonce, data, additional);
        document.write(plain, 0, plain.length);
        sealed.write(data, 0, data.length);
        nextChunk++;
    }

    private void end(Evidence delivery) throws BrokenSealException {
        LicenseDelivery record = parsed(() -> LicenseDelivery.parseFrom(delivery.getPayload()));
        if (header == null
                || !record.getUseId().equals(header.getUseId())
                || !record.getAuthorizationId().equals(authorizationId)) {
            throw new BrokenSealException("the record is that of another delivery", null);
        }
        if (nextChunk != header.getChunkCount() || document.size() != content.getDocumentSize()) {
            throw new BrokenSealException(nextChunk + " of " + header.getChunkCount() + " chunks came", null);
        }
        if (nextChunk > 0) {
            check(Sm.sm3(document.toByteArray()), content.getDocumentDigest().toByteArray());
        }
        if (record.getChunkCount() > 0 && header.getFromChunk() == 0) {
            check(Sm.sm3(sealed.toByteArray()), record.getChunksDigest().toByteArray());
        }
        evidence = delivery;
    }

    private static void check(byte[] found, byte[] stated) throws BrokenSealException {
        if (!Arrays.equals(found, stated)) {
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

    private interface Parsing<T> {
        T parse() throws InvalidProtocolBufferException;
    }

    private static <T> T parsed(Parsing<T> parsing) throws BrokenSealException {
        try {
            return parsing.parse();
        } catch (InvalidProtocolBufferException fault) {
            throw new BrokenSealException("what was sealed cannot be read", fault);
        }
    }
}
