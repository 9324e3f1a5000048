package cn.govcode.sample;

import cn.govcode.authorization.v1.AuthorizationItem;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.util.encoders.Hex;

/**
 * The credentials file that {@code govcode sandbox} writes. Production has the same things from elsewhere: addresses from the
 * region's operators, certificate and key from its authority.
 */
public final class Sandbox {
    private final JsonObject facts;

    private Sandbox(JsonObject facts) {
        this.facts = facts;
    }

    /** It reads the file that the environment variable GOVCODE_SANDBOX names, or {@code sandbox/sandbox.json}. */
    public static Sandbox read() throws IOException {
        String named = System.getenv("GOVCODE_SANDBOX");
        Path path = Paths.get(named == null || named.isEmpty() ? "sandbox/sandbox.json" : named);
        try (Reader reader = Files.newBufferedReader(path, StandardCharsets.UTF_8)) {
            return new Sandbox(JsonParser.parseReader(reader).getAsJsonObject());
        }
    }

    /** The sandbox's node, as one of the applications of the file. Example: {@code app("holder_app")}. */
    public NodeClient app(String name) {
        return app(name, "home");
    }

    /** The node of another region, as its counter. */
    public NodeClient peerCounter() {
        return app("counter_app", "peer");
    }

    /** One of the sandbox's nodes, {@code home}, {@code peer} or {@code hub}, as one of the callers of the file. */
    NodeClient app(String name, String at) {
        JsonObject where = at.equals("home") ? facts : facts.getAsJsonObject(at);
        // The peer has applications of its own region; all other callers are those of the home region.
        JsonObject app = (where.has(name) ? where : facts.getAsJsonObject("callers")).getAsJsonObject(name);
        return new NodeClient(
                text(where, "target"),
                text(where, "server_name"),
                text(facts, "roots_pem"),
                text(app, "certificate_pem"),
                text(app, "private_key_pem"),
                "");
    }

    /** One of the sandbox's subjects. */
    public Holder.Person subject(String key) {
        for (JsonElement entry : facts.getAsJsonArray("subjects")) {
            JsonObject subject = entry.getAsJsonObject();
            if (text(subject, "key").equals(key)) {
                return new Holder.Person(text(subject, "name"), text(subject, "id_number"), text(subject, "secret"));
            }
        }
        throw new IllegalArgumentException("the sandbox has no subject " + key);
    }

    /** Number of one of the sandbox's scenes. */
    public int scene(String name) {
        return facts.getAsJsonObject("scenes").get(name).getAsInt();
    }

    /** Text of a code that lies ready. Example: {@code placedCode("approver")}, whose holder approves every request at once. */
    public String placedCode(String name) {
        return text(facts.getAsJsonObject("placed_codes"), name);
    }

    public String termsVersion() {
        return text(facts, "terms_version");
    }

    public String nodeId() {
        return text(facts, "node_id");
    }

    /** Private half of the SM2 key to which licences for {@code counter_app} are sealed. */
    public Sm2Key encryptionKey() {
        return Sm2Key.ofHex(text(facts.getAsJsonObject("counter_app"), "encryption_private_key_hex"));
    }

    /** The hub's public point. */
    public byte[] hubPoint() {
        return Hex.decode(text(facts.getAsJsonObject("hub"), "public_key_hex"));
    }

    /** A matter (事项) of the counter with what may be asked for it. */
    public static final class Matter {
        public final String code;
        public final List<AuthorizationItem> items = new ArrayList<>();

        Matter(String code) {
            this.code = code;
        }
    }

    /** One of the matters that the operator registered for the counter. */
    public Matter matter(String name) {
        JsonObject entry = facts.getAsJsonObject("matters").getAsJsonObject(name);
        Matter matter = new Matter(text(entry, "matter_code"));
        for (JsonElement item : entry.getAsJsonArray("items")) {
            JsonObject asked = item.getAsJsonObject();
            AuthorizationItem.Builder builder =
                    AuthorizationItem.newBuilder()
                            .setLicenseType(text(asked, "license_type"))
                            .setDocument(asked.has("document") && asked.get("document").getAsBoolean());
            for (JsonElement field : asked.getAsJsonArray("field_names")) {
                builder.addFieldNames(field.getAsString());
            }
            matter.items.add(builder.build());
        }
        return matter;
    }

    /** Everything that the file says. */
    JsonObject facts() {
        return facts;
    }

    private static String text(JsonObject object, String name) {
        JsonElement found = object.get(name);
        return found == null || found.isJsonNull() ? "" : found.getAsString();
    }
}
