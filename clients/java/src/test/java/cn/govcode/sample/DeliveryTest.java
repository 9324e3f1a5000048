package cn.govcode.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import cn.govcode.authorization.v1.FetchLicenseRequest;
import cn.govcode.authorization.v1.FetchLicenseResponse;
import cn.govcode.authorization.v1.LicenseChunk;
import cn.govcode.authorization.v1.LicenseContent;
import cn.govcode.authorization.v1.LicenseDelivery;
import cn.govcode.authorization.v1.LicenseField;
import cn.govcode.authorization.v1.LicenseHeader;
import cn.govcode.common.v1.Evidence;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.gm.GMNamedCurves;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.engines.SM2Engine;
import org.bouncycastle.crypto.engines.SM4Engine;
import org.bouncycastle.crypto.modes.GCMBlockCipher;
import org.bouncycastle.crypto.modes.GCMModeCipher;
import org.bouncycastle.crypto.params.AEADParameters;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.ParametersWithRandom;
import org.bouncycastle.util.encoders.Hex;
import org.junit.jupiter.api.Test;

/** A delivery is taken whole and unchanged, or not at all. */
class DeliveryTest {
    private static final Sm2Key KEY = Sm2Key.generate();
    private static final String USE_ID = "us_11111111111111111111111111111111";
    private static final String AUTHORIZATION_ID = "au_33333333333333333333333333333333";
    private static final int CHUNK_SIZE = 256 * 1024;
    private static final byte[] DOCUMENT = new byte[2 * CHUNK_SIZE + 1000];
    private static final FetchLicenseRequest REQUEST =
            FetchLicenseRequest.newBuilder().setAuthorizationId(AUTHORIZATION_ID).build();
    private static final StatusRuntimeException LOST = Status.UNAVAILABLE.asRuntimeException();

    static {
        for (int at = 0; at < DOCUMENT.length; at++) {
            DOCUMENT[at] = (byte) (at * 31);
        }
    }

    private static byte[] concat(byte[]... parts) {
        int size = Arrays.stream(parts).mapToInt(part -> part.length).sum();
        ByteBuffer all = ByteBuffer.allocate(size);
        for (byte[] part : parts) {
            all.put(part);
        }
        return all.array();
    }

    private static byte[] seal(byte[] key, byte[] nonce, byte[] plain, byte[] additional) throws Exception {
        GCMModeCipher cipher = GCMBlockCipher.newInstance(new SM4Engine());
        cipher.init(true, new AEADParameters(new KeyParameter(key), 128, nonce, additional));
        byte[] sealed = new byte[cipher.getOutputSize(plain.length)];
        cipher.doFinal(sealed, cipher.processBytes(plain, 0, plain.length, sealed, 0));
        return sealed;
    }

    private static byte[] wrap(byte[] content) throws Exception {
        X9ECParameters curve = GMNamedCurves.getByName("sm2p256v1");
        ECDomainParameters domain = new ECDomainParameters(curve.getCurve(), curve.getG(), curve.getN(), curve.getH());
        SM2Engine engine = new SM2Engine(SM2Engine.Mode.C1C3C2);
        ECPublicKeyParameters recipient = new ECPublicKeyParameters(curve.getCurve().decodePoint(KEY.point()), domain);
        engine.init(true, new ParametersWithRandom(recipient));
        byte[] raw = engine.processBlock(content, 0, content.length);
        ASN1EncodableVector parts = new ASN1EncodableVector();
        parts.add(new ASN1Integer(new java.math.BigInteger(1, Arrays.copyOfRange(raw, 1, 33))));
        parts.add(new ASN1Integer(new java.math.BigInteger(1, Arrays.copyOfRange(raw, 33, 65))));
        parts.add(new DEROctetString(Arrays.copyOfRange(raw, 65, 97)));
        parts.add(new DEROctetString(Arrays.copyOfRange(raw, 97, raw.length)));
        return new DERSequence(parts).getEncoded();
    }

    private static byte[] envelope(byte[] plain) throws Exception {
        byte[] contentKey = new byte[16];
        byte[] nonce = new byte[12];
        byte[] wrapped = wrap(contentKey);
        byte[] length = ByteBuffer.allocate(2).putShort((short) wrapped.length).array();
        byte[] head = concat(new byte[] {1}, Hex.decode(KEY.keyId()), length, wrapped);
        return concat(head, nonce, seal(contentKey, nonce, plain, concat(head, USE_ID.getBytes(StandardCharsets.US_ASCII))));
    }

    private static List<FetchLicenseResponse> deliveryOf(byte[] document) throws Exception {
        byte[] contentKey = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
        int count = (document.length + CHUNK_SIZE - 1) / CHUNK_SIZE;
        LicenseContent content =
                LicenseContent.newBuilder()
                        .addFields(LicenseField.newBuilder().setName("entity_name").setValue("样例公司"))
                        .setDocumentSize(document.length)
                        .setDocumentDigest(ByteString.copyFrom(Sm.sm3(document)))
                        .setContentKey(ByteString.copyFrom(contentKey))
                        .build();
        LicenseHeader header =
                LicenseHeader.newBuilder()
                        .setUseId(USE_ID)
                        .setChunkCount(count)
                        .setSealedContent(ByteString.copyFrom(envelope(content.toByteArray())))
                        .build();
        List<FetchLicenseResponse> pieces = new ArrayList<>();
        pieces.add(FetchLicenseResponse.newBuilder().setHeader(header).build());
        byte[] sealedChunks = new byte[0];
        for (int number = 0; number < count; number++) {
            int end = Math.min((number + 1) * CHUNK_SIZE, document.length);
            byte[] plain = Arrays.copyOfRange(document, number * CHUNK_SIZE, end);
            byte[] nonce = ByteBuffer.allocate(12).putInt(8, number).array();
            byte[] numbers = ByteBuffer.allocate(8).putInt(number).putInt(count).array();
            byte[] tag = ("govcode-license-chunk-v1" + USE_ID).getBytes(StandardCharsets.US_ASCII);
            byte[] data = seal(contentKey, nonce, plain, concat(tag, numbers));
            sealedChunks = concat(sealedChunks, data);
            LicenseChunk chunk = LicenseChunk.newBuilder().setChunkNo(number).setData(ByteString.copyFrom(data)).build();
            pieces.add(FetchLicenseResponse.newBuilder().setChunk(chunk).build());
        }
        LicenseDelivery record =
                LicenseDelivery.newBuilder()
                        .setUseId(USE_ID)
                        .setAuthorizationId(AUTHORIZATION_ID)
                        .setChunkCount(count)
                        .setChunksDigest(ByteString.copyFrom(Sm.sm3(sealedChunks)))
                        .build();
        pieces.add(
                FetchLicenseResponse.newBuilder()
                        .setDelivery(Evidence.newBuilder().setPayload(record.toByteString()))
                        .build());
        return pieces;
    }

    /** A node that sends these streams one after the other, each but the last one broken at its end. */
    private static final class BreakingNode implements Function<FetchLicenseRequest, Iterator<FetchLicenseResponse>> {
        private final Deque<List<FetchLicenseResponse>> streams = new ArrayDeque<>();
        private final List<Integer> asked = new ArrayList<>();

        @SafeVarargs
        BreakingNode(List<FetchLicenseResponse>... streams) {
            this.streams.addAll(Arrays.asList(streams));
        }

        @Override
        public Iterator<FetchLicenseResponse> apply(FetchLicenseRequest request) {
            asked.add(request.getFromChunk());
            Iterator<FetchLicenseResponse> pieces = streams.removeFirst().iterator();
            boolean last = streams.isEmpty();
            return new Iterator<FetchLicenseResponse>() {
                @Override
                public boolean hasNext() {
                    if (!pieces.hasNext() && !last) {
                        throw LOST;
                    }
                    return pieces.hasNext();
                }

                @Override
                public FetchLicenseResponse next() {
                    return pieces.next();
                }
            };
        }
    }

    private static Delivery read(List<FetchLicenseResponse> pieces) throws BrokenSealException {
        return Delivery.fetch(request -> pieces.iterator(), REQUEST, KEY);
    }

    private static void refused(List<FetchLicenseResponse> pieces) {
        assertThrows(BrokenSealException.class, () -> read(pieces));
    }

    @Test
    void fieldsAndDocumentOfAWholeDeliveryAreRead() throws Exception {
        Delivery delivery = read(deliveryOf(DOCUMENT));
        assertEquals("样例公司", delivery.content().getFields(0).getValue());
        assertArrayEquals(DOCUMENT, delivery.document());
    }

    @Test
    void aDeliveryWithoutADocumentHasNone() throws Exception {
        assertEquals(0, read(deliveryOf(new byte[0])).document().length);
    }

    @Test
    void aBrokenStreamIsGoneOnWithAtTheChunkThatIsMissing() throws Exception {
        List<FetchLicenseResponse> all = deliveryOf(DOCUMENT);
        FetchLicenseResponse.Builder goingOn = all.get(0).toBuilder();
        goingOn.getHeaderBuilder().setFromChunk(2);
        List<FetchLicenseResponse> rest = new ArrayList<>(all.subList(3, all.size()));
        rest.add(0, goingOn.build());
        BreakingNode node = new BreakingNode(all.subList(0, 3), Collections.emptyList(), rest);
        assertArrayEquals(DOCUMENT, Delivery.fetch(node, REQUEST, KEY).document());
        assertEquals(Arrays.asList(0, 2, 2), node.asked);
    }

    @Test
    void aRefusalIsNotTriedAgain() {
        List<Integer> asked = new ArrayList<>();
        Function<FetchLicenseRequest, Iterator<FetchLicenseResponse>> node =
                request -> {
                    asked.add(request.getFromChunk());
                    throw Status.FAILED_PRECONDITION.asRuntimeException();
                };
        assertThrows(StatusRuntimeException.class, () -> Delivery.fetch(node, REQUEST, KEY));
        assertEquals(1, asked.size());
    }

    @Test
    void whatIsNotWholeOrInOrderIsRefused() throws Exception {
        List<FetchLicenseResponse> all = deliveryOf(DOCUMENT);
        refused(all.subList(0, all.size() - 1));
        refused(all.subList(1, all.size()));
        List<FetchLicenseResponse> lacking = new ArrayList<>(all);
        lacking.remove(3);
        refused(lacking);
        List<FetchLicenseResponse> swapped = new ArrayList<>(all);
        Collections.swap(swapped, 1, 2);
        refused(swapped);
        List<FetchLicenseResponse> otherRecord = new ArrayList<>(all);
        List<FetchLicenseResponse> other = deliveryOf(new byte[] {1});
        otherRecord.set(all.size() - 1, other.get(other.size() - 1));
        refused(otherRecord);
    }

    @Test
    void chunksOfAnotherUseAndOtherAuthorizationsAreRefused() throws Exception {
        List<FetchLicenseResponse> all = deliveryOf(DOCUMENT);
        List<FetchLicenseResponse> changed = new ArrayList<>(all);
        FetchLicenseResponse.Builder header = all.get(0).toBuilder();
        header.getHeaderBuilder().setUseId("us_22222222222222222222222222222222");
        changed.set(0, header.build());
        refused(changed);
        FetchLicenseRequest otherRequest = REQUEST.toBuilder().setAuthorizationId("au_other").build();
        assertThrows(
                BrokenSealException.class, () -> Delivery.fetch(request -> all.iterator(), otherRequest, KEY));
    }

    @Test
    void anEnvelopeForAnotherKeyOrWithAnyByteChangedIsRefused() throws Exception {
        byte[] sealed = envelope("content".getBytes(StandardCharsets.US_ASCII));
        byte[] useId = USE_ID.getBytes(StandardCharsets.US_ASCII);
        assertThrows(BrokenSealException.class, () -> Delivery.openEnvelope(Sm2Key.generate(), sealed, useId));
        for (int at = 0; at < sealed.length; at++) {
            byte[] changed = sealed.clone();
            changed[at] ^= 1;
            assertThrows(BrokenSealException.class, () -> Delivery.openEnvelope(KEY, changed, useId));
        }
    }
}
