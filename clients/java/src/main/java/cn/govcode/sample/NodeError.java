package cn.govcode.sample;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.LocalizedMessage;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.HashMap;
import java.util.Map;

/** What an error of a node says. A verdict on a code is an answer and never an error. */
public final class NodeError {
    private final String code;
    private String reason = "";
    private String adviceZh = "";
    private String adviceEn = "";
    private String requestId = "";
    private long retryAfterMillis = -1;
    private final Map<String, String> facts = new HashMap<>();
    private final Map<String, String> fields = new HashMap<>();

    private NodeError(String code) {
        this.code = code;
    }

    /** It reads the details that it knows and skips the rest, which a newer node may have added. */
    public static NodeError of(StatusRuntimeException failed) {
        NodeError error = new NodeError(failed.getStatus().getCode().name());
        Status status = StatusProto.fromThrowable(failed);
        if (status != null) {
            for (Any packed : status.getDetailsList()) {
                try {
                    error.read(packed);
                } catch (InvalidProtocolBufferException fault) {
                    throw new IllegalStateException("the node's error cannot be read", fault);
                }
            }
        }
        return error;
    }

    private void read(Any packed) throws InvalidProtocolBufferException {
        if (packed.is(ErrorInfo.class)) {
            ErrorInfo info = packed.unpack(ErrorInfo.class);
            reason = info.getReason();
            facts.putAll(info.getMetadataMap());
        } else if (packed.is(LocalizedMessage.class)) {
            LocalizedMessage text = packed.unpack(LocalizedMessage.class);
            if ("zh-CN".equals(text.getLocale())) {
                adviceZh = text.getMessage();
            } else {
                adviceEn = text.getMessage();
            }
        } else if (packed.is(BadRequest.class)) {
            for (BadRequest.FieldViolation wrong : packed.unpack(BadRequest.class).getFieldViolationsList()) {
                fields.put(wrong.getField(), wrong.getDescription());
            }
        } else if (packed.is(RequestInfo.class)) {
            requestId = packed.unpack(RequestInfo.class).getRequestId();
        } else if (packed.is(RetryInfo.class)) {
            com.google.protobuf.Duration delay = packed.unpack(RetryInfo.class).getRetryDelay();
            retryAfterMillis = delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000;
        }
    }

    /** Name of the gRPC status. Example: {@code PERMISSION_DENIED}. */
    public String code() {
        return code;
    }

    /** Name of govcode.error.v1.ErrorReason without its prefix; empty where no node answered. */
    public String reason() {
        return reason;
    }

    /** What to tell people, in Chinese. */
    public String adviceZh() {
        return adviceZh;
    }

    /** The same in English. */
    public String adviceEn() {
        return adviceEn;
    }

    /** Names the call in the node's records. */
    public String requestId() {
        return requestId;
    }

    /** Milliseconds to wait before another try; -1 where waiting does not help. */
    public long retryAfterMillis() {
        return retryAfterMillis;
    }

    /** Facts of the case, for programs. */
    public Map<String, String> facts() {
        return facts;
    }

    /** Wrong fields of the request, with what is wrong. */
    public Map<String, String> fields() {
        return fields;
    }

    @Override
    public String toString() {
        return (reason.isEmpty() ? code : reason) + " " + adviceEn + " " + adviceZh + " " + facts + " " + fields;
    }
}
