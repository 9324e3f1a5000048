package cn.govcode.sample;

import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.digests.SM3Digest;
import org.bouncycastle.crypto.engines.SM4Engine;
import org.bouncycastle.crypto.modes.GCMBlockCipher;
import org.bouncycastle.crypto.modes.GCMModeCipher;
import org.bouncycastle.crypto.params.AEADParameters;
import org.bouncycastle.crypto.params.KeyParameter;

/** SM3 and SM4-GCM. */
public final class Sm {
    private static final int KEY_SIZE = 16;
    private static final int NONCE_SIZE = 12;
    private static final int TAG_SIZE = 16;

    private Sm() {}

    /** SM3 digest (GB/T 32905) of the parts one after the other, 32 bytes. */
    public static byte[] sm3(byte[]... parts) {
        SM3Digest digest = new SM3Digest();
        for (byte[] part : parts) {
            digest.update(part, 0, part.length);
        }
        byte[] result = new byte[digest.getDigestSize()];
        digest.doFinal(result, 0);
        return result;
    }

    /**
     * It opens SM4-GCM ciphertext with its tag of 16 bytes at the end.
     *
     * @throws BrokenSealException anything was changed
     */
    public static byte[] openSm4Gcm(byte[] key, byte[] nonce, byte[] sealed, byte[] additional)
            throws BrokenSealException {
        if (key.length != KEY_SIZE || nonce.length != NONCE_SIZE || sealed.length < TAG_SIZE) {
            throw new BrokenSealException("a key has 16 bytes, a nonce 12, and a tag 16", null);
        }
        GCMModeCipher cipher = GCMBlockCipher.newInstance(new SM4Engine());
        cipher.init(false, new AEADParameters(new KeyParameter(key), TAG_SIZE * 8, nonce, additional));
        byte[] plain = new byte[cipher.getOutputSize(sealed.length)];
        try {
            int length = cipher.processBytes(sealed, 0, sealed.length, plain, 0);
            cipher.doFinal(plain, length);
            return plain;
        } catch (InvalidCipherTextException fault) {
            throw new BrokenSealException("the tag does not fit", fault);
        }
    }
}
