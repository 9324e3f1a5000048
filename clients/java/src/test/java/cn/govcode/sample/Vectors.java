package cn.govcode.sample;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.util.encoders.Hex;

/** The vectors that stand in the repository for every language. */
final class Vectors {
    private static final Path FOLDER = Paths.get("..", "..", "tests", "vectors");

    private Vectors() {}

    static JsonObject read(String name) throws IOException {
        try (Reader reader = Files.newBufferedReader(FOLDER.resolve(name), StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(reader).getAsJsonObject();
        }
    }

    static List<JsonObject> list(JsonObject object, String name) {
        List<JsonObject> found = new ArrayList<>();
        for (JsonElement entry : object.getAsJsonArray(name)) {
            found.add(entry.getAsJsonObject());
        }
        if (found.isEmpty()) {
            throw new IllegalStateException("no vectors " + name);
        }
        return found;
    }

    static byte[] bytes(JsonObject object, String name) {
        return Hex.decode(object.get(name).getAsString());
    }

    static ByteString string(JsonObject object, String name) {
        return ByteString.copyFrom(bytes(object, name));
    }

    static Timestamp moment(JsonObject object, String name) {
        long milliseconds = object.get(name).getAsLong();
        return Timestamp.newBuilder()
                .setSeconds(milliseconds / 1000)
                .setNanos((int) (milliseconds % 1000) * 1_000_000)
                .build();
    }
}
