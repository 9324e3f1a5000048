package cn.govcode.sample;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bouncycastle.util.encoders.Hex;
import org.junit.jupiter.api.Test;

/** Bouncy Castle as it is used here, against the examples of the standards and of other libraries. */
class SmTest {
    private static List<JsonObject> signatures(JsonObject vectors) {
        List<JsonObject> all = new ArrayList<>(Vectors.list(vectors, "cross"));
        all.add(vectors.getAsJsonObject("signature"));
        return all;
    }

    @Test
    void sm3IsThatOfTheStandard() throws IOException {
        for (JsonObject example : Vectors.list(Vectors.read("sm/sm3.json"), "cases")) {
            assertArrayEquals(Vectors.bytes(example, "digest"), Sm.sm3(Vectors.bytes(example, "input")));
        }
    }

    @Test
    void signaturesOfTheStandardAndOfOtherLibrariesHold() throws IOException {
        JsonObject vectors = Vectors.read("sm/sm2.json");
        byte[] point = Vectors.bytes(vectors, "public_point");
        for (JsonObject example : signatures(vectors)) {
            byte[] input = Vectors.bytes(example, "input");
            byte[] signature = Vectors.bytes(example, "signature");
            assertTrue(Sm2Key.verify(point, signature, input));
            assertFalse(Sm2Key.verify(point, signature, Arrays.copyOf(input, input.length + 1)));
        }
    }

    @Test
    void signaturesThatCannotBeAreRefusedWithoutAnException() throws IOException {
        JsonObject vectors = Vectors.read("sm/sm2.json");
        byte[] point = Vectors.bytes(vectors, "public_point");
        JsonObject example = vectors.getAsJsonObject("signature");
        byte[] input = Vectors.bytes(example, "input");
        String good = example.get("signature").getAsString();
        String order = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
        for (String changed : new String[] {"", good.substring(2), order + good.substring(64), good.substring(0, 64) + order}) {
            assertFalse(Sm2Key.verify(point, Hex.decode(changed), input));
        }
        assertFalse(Sm2Key.verify(point, new byte[64], input));
        byte[] offTheCurve = new byte[65];
        Arrays.fill(offTheCurve, (byte) 1);
        offTheCurve[0] = 4;
        assertFalse(Sm2Key.verify(offTheCurve, Hex.decode(good), input));
    }

    @Test
    void whatThisProgramSignsHas64BytesAndHolds() {
        Sm2Key key = Sm2Key.generate();
        for (int time = 0; time < 20; time++) {
            byte[] statement = ("statement " + time).getBytes(StandardCharsets.US_ASCII);
            byte[] signature = key.sign(statement);
            assertEquals(64, signature.length);
            assertTrue(Sm2Key.verify(key.point(), signature, statement));
        }
    }

    @Test
    void aKeyFileOfMakeKeyIsRead() throws IOException {
        JsonObject vectors = Vectors.read("sm/sm2.json");
        String head = "308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420";
        String point = vectors.get("public_point").getAsString();
        byte[] file = Hex.decode(head + vectors.get("private").getAsString() + "a144034200" + point);
        assertArrayEquals(Hex.decode(point), Sm2Key.ofPkcs8(file).point());
        assertThrows(IOException.class, () -> Sm2Key.ofPkcs8(Arrays.copyOf(file, file.length - 1)));
    }

    @Test
    void ciphertextsOfTheStandardAndOfOtherLibrariesAreOpened() throws Exception {
        JsonObject vectors = Vectors.read("sm/sm2.json");
        Sm2Key key = Sm2Key.ofHex(vectors.get("private").getAsString());
        assertArrayEquals(Vectors.bytes(vectors, "public_point"), key.point());
        List<JsonObject> examples = new ArrayList<>(Vectors.list(vectors, "cross"));
        examples.add(vectors.getAsJsonObject("encryption"));
        for (JsonObject example : examples) {
            assertArrayEquals(Vectors.bytes(example, "plaintext"), key.decrypt(Vectors.bytes(example, "ciphertext_der")));
        }
    }

    @Test
    void aCiphertextThatWasChangedIsRefused() throws IOException {
        JsonObject vectors = Vectors.read("sm/sm2.json");
        Sm2Key key = Sm2Key.ofHex(vectors.get("private").getAsString());
        byte[] whole = Vectors.bytes(vectors.getAsJsonObject("encryption"), "ciphertext_der");
        for (int at = 0; at < whole.length; at++) {
            byte[] changed = whole.clone();
            changed[at] ^= 1;
            assertThrows(BrokenSealException.class, () -> key.decrypt(changed));
        }
        assertThrows(BrokenSealException.class, () -> Sm2Key.generate().decrypt(whole));
    }

    @Test
    void sm4GcmOfRfc8998IsOpenedAndRefusedWhereAnythingWasChanged() throws Exception {
        JsonObject example = Vectors.read("sm/sm4.json").getAsJsonObject("gcm");
        byte[] key = Vectors.bytes(example, "key");
        byte[] nonce = Vectors.bytes(example, "nonce");
        byte[] aad = Vectors.bytes(example, "aad");
        byte[] sealed = Hex.decode(example.get("ciphertext").getAsString() + example.get("tag").getAsString());
        assertArrayEquals(Vectors.bytes(example, "plaintext"), Sm.openSm4Gcm(key, nonce, sealed, aad));
        byte[] otherAad = Arrays.copyOf(aad, aad.length + 1);
        assertThrows(BrokenSealException.class, () -> Sm.openSm4Gcm(key, nonce, sealed, otherAad));
        byte[] cut = Arrays.copyOf(sealed, sealed.length - 1);
        assertThrows(BrokenSealException.class, () -> Sm.openSm4Gcm(key, nonce, cut, aad));
    }
}
