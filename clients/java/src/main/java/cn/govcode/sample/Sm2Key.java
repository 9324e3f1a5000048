package cn.govcode.sample;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.gm.GMNamedCurves;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.CryptoException;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.engines.SM2Engine;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPrivateKeyParameters;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.params.ParametersWithID;
import org.bouncycastle.crypto.params.ParametersWithRandom;
import org.bouncycastle.crypto.signers.PlainDSAEncoding;
import org.bouncycastle.crypto.signers.SM2Signer;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.math.ec.ECPoint;
import org.bouncycastle.util.BigIntegers;
import org.bouncycastle.util.encoders.Hex;

/** An SM2 private key: of a holder's device, or of an application to which licences are sealed. */
public final class Sm2Key {
    private static final X9ECParameters CURVE = GMNamedCurves.getByName("sm2p256v1");
    private static final ECDomainParameters DOMAIN =
            new ECDomainParameters(CURVE.getCurve(), CURVE.getG(), CURVE.getN(), CURVE.getH());
    private static final byte[] USER_ID = "1234567812345678".getBytes(StandardCharsets.US_ASCII);
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int COORDINATE = 32;

    private final ECPrivateKeyParameters key;
    private final byte[] point;

    private Sm2Key(BigInteger secret) {
        this.key = new ECPrivateKeyParameters(secret, DOMAIN);
        this.point = DOMAIN.getG().multiply(secret).normalize().getEncoded(false);
    }

    /** It reads a private key of 32 bytes, as 64 hexadecimal digits. */
    public static Sm2Key ofHex(String hex) {
        return new Sm2Key(new BigInteger(1, Hex.decodeStrict(hex)));
    }

    /**
     * It reads the file that {@code govcode registry make-key} writes: PKCS #8, DER.
     *
     * @throws IOException the bytes are no SM2 key
     */
    public static Sm2Key ofPkcs8(byte[] der) throws IOException {
        try {
            ECPrivateKeyParameters read = (ECPrivateKeyParameters) PrivateKeyFactory.createKey(der);
            if (read.getParameters().getN().equals(DOMAIN.getN())) {
                return new Sm2Key(read.getD());
            }
        } catch (RuntimeException fault) {
            throw new IOException("the bytes are no SM2 key", fault);
        }
        throw new IOException("the key is one of another curve");
    }

    /** It makes a fresh key. */
    public static Sm2Key generate() {
        BigInteger most = DOMAIN.getN().subtract(BigInteger.valueOf(2));
        return new Sm2Key(BigIntegers.createRandomInRange(BigInteger.ONE, most, RANDOM));
    }

    /** Public point, 65 bytes: 0x04‖x‖y. */
    public byte[] point() {
        return point.clone();
    }

    /** Id of the key: the first 16 hexadecimal digits of the SM3 of its public point. */
    public String keyId() {
        return keyIdOf(point);
    }

    /** Id of a key by its public point. */
    public static String keyIdOf(byte[] point) {
        return Hex.toHexString(Sm.sm3(point)).substring(0, 16);
    }

    /** It signs with SM3 and the default user id 1234567812345678: r‖s, 64 bytes. */
    public byte[] sign(byte[] bytes) {
        SM2Signer signer = new SM2Signer(PlainDSAEncoding.INSTANCE);
        signer.init(true, new ParametersWithID(new ParametersWithRandom(key, RANDOM), USER_ID));
        signer.update(bytes, 0, bytes.length);
        try {
            return signer.generateSignature();
        } catch (CryptoException fault) {
            throw new IllegalStateException("SM2 cannot sign", fault);
        }
    }

    /** It says whether a signature of 64 bytes, r‖s, belongs to these bytes and this public point. */
    public static boolean verify(byte[] point, byte[] signature, byte[] bytes) {
        if (point.length != 1 + 2 * COORDINATE || signature.length != 2 * COORDINATE) {
            return false;
        }
        ECPoint decoded;
        try {
            decoded = DOMAIN.getCurve().decodePoint(point); // refuses what is not on the curve
        } catch (IllegalArgumentException fault) {
            return false;
        }
        SM2Signer verifier = new SM2Signer(PlainDSAEncoding.INSTANCE);
        verifier.init(false, new ParametersWithID(new ECPublicKeyParameters(decoded, DOMAIN), USER_ID));
        verifier.update(bytes, 0, bytes.length);
        return verifier.verifySignature(signature);
    }

    /**
     * It decrypts SM2 ciphertext in the DER form of GM/T 0009: x, y, C3, C2.
     *
     * @throws BrokenSealException it is no ciphertext, was changed, or is meant for another key
     */
    public byte[] decrypt(byte[] der) throws BrokenSealException {
        try {
            ASN1Sequence parts = ASN1Sequence.getInstance(ASN1Primitive.fromByteArray(der));
            byte[] digest = ASN1OctetString.getInstance(parts.getObjectAt(2)).getOctets();
            byte[] cipher = ASN1OctetString.getInstance(parts.getObjectAt(3)).getOctets();
            byte[] plain = new byte[1 + 2 * COORDINATE + digest.length + cipher.length];
            plain[0] = 4;
            coordinate(parts, 0, plain);
            coordinate(parts, 1, plain);
            System.arraycopy(digest, 0, plain, 1 + 2 * COORDINATE, digest.length);
            System.arraycopy(cipher, 0, plain, 1 + 2 * COORDINATE + digest.length, cipher.length);
            SM2Engine engine = new SM2Engine(SM2Engine.Mode.C1C3C2);
            engine.init(false, key);
            return engine.processBlock(plain, 0, plain.length);
        } catch (IOException | RuntimeException | InvalidCipherTextException fault) {
            // Bouncy Castle tells faults of the bytes by many kinds of exceptions; all of them mean the same here.
            throw new BrokenSealException("the SM2 ciphertext was changed, or is meant for another key", fault);
        }
    }

    private static void coordinate(ASN1Sequence parts, int index, byte[] target) {
        BigInteger value = ASN1Integer.getInstance(parts.getObjectAt(index)).getPositiveValue();
        byte[] bytes = BigIntegers.asUnsignedByteArray(COORDINATE, value);
        System.arraycopy(bytes, 0, target, 1 + index * COORDINATE, COORDINATE);
    }

    @Override
    public String toString() {
        return "Sm2Key(" + keyId() + ")";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Sm2Key && Arrays.equals(point, ((Sm2Key) other).point);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(point);
    }
}
