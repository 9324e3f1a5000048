package cn.govcode.sample;

import cn.govcode.common.v1.HolderProof;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What the holder's phone does: it keeps one SM2 key and signs the holder's own acts. In production this is the phone, with
 * the key in its secure area; a back end carries proofs and cannot make them.
 */
public final class HolderDevice {
    private static final byte[] TAG = "govcode-holder-v1".getBytes(StandardCharsets.US_ASCII);

    private final Sm2Key key;

    public HolderDevice(Sm2Key key) {
        this.key = key;
    }

    /** It makes a device with a fresh key. */
    public static HolderDevice generate() {
        return new HolderDevice(Sm2Key.generate());
    }

    /** Public point of the device key, for the statements that bind a device. */
    public ByteString publicKey() {
        return ByteString.copyFrom(key.point());
    }

    /** It signs a {@code …Statement}; the node takes the facts of the act from these very bytes. */
    public HolderProof prove(Message statement) {
        byte[] bytes = statement.toByteArray();
        byte[] signed = holderBytes(statement.getDescriptorForType().getFullName(), bytes);
        return HolderProof.newBuilder()
                .setStatement(ByteString.copyFrom(bytes))
                .setDeviceKeyId(key.keyId())
                .setSm2Signature(ByteString.copyFrom(key.sign(signed)))
                .build();
    }

    /** The exact bytes that a device signs: tag, length and name of the statement's message, statement. */
    static byte[] holderBytes(String statementType, byte[] statement) {
        byte[] name = statementType.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(TAG.length + Integer.BYTES + name.length + statement.length)
                .put(TAG)
                .putInt(name.length)
                .put(name)
                .put(statement)
                .array();
    }

    /** The device's clock, for signed_time: nodes refuse what is more than five minutes off. */
    public static Timestamp now() {
        long milliseconds = System.currentTimeMillis();
        return Timestamp.newBuilder()
                .setSeconds(milliseconds / 1000)
                .setNanos((int) (milliseconds % 1000) * 1_000_000)
                .build();
    }
}
