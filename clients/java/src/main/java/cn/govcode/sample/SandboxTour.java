package cn.govcode.sample;

import cn.govcode.authorization.v1.AuthorizationServiceGrpc;
import cn.govcode.business.v1.BusinessManagementServiceGrpc;
import cn.govcode.code.v1.CodeApplicationServiceGrpc;
import cn.govcode.code.v1.CodeBaseServiceGrpc;
import cn.govcode.common.v1.Outcome;
import cn.govcode.common.v1.Verdict;
import cn.govcode.error.v1.ErrorReason;
import cn.govcode.federation.v1.FederationServiceGrpc;
import cn.govcode.hub.v1.HubServiceGrpc;
import cn.govcode.operations.v1.OperationsServiceGrpc;
import cn.govcode.routing.v1.CodeRoutingServiceGrpc;
import cn.govcode.security.v1.AuditServiceGrpc;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.ProtocolMessageEnum;
import com.google.protobuf.util.JsonFormat;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * It goes through everything that a sandbox can answer: each Outcome and each ErrorReason of the contract, by the list {@code
 * magic} of the credentials file. It fails where one of them is not reached or comes differently than the list says.
 */
public final class SandboxTour {
    private static final ServiceDescriptor[] SERVICES = {
        AuthorizationServiceGrpc.getServiceDescriptor(),
        BusinessManagementServiceGrpc.getServiceDescriptor(),
        CodeApplicationServiceGrpc.getServiceDescriptor(),
        CodeBaseServiceGrpc.getServiceDescriptor(),
        CodeRoutingServiceGrpc.getServiceDescriptor(),
        FederationServiceGrpc.getServiceDescriptor(),
        HubServiceGrpc.getServiceDescriptor(),
        OperationsServiceGrpc.getServiceDescriptor(),
        AuditServiceGrpc.getServiceDescriptor(),
    };

    private final Sandbox sandbox;
    private final Map<String, NodeClient> callers = new HashMap<>();
    private final Map<String, MethodDescriptor<Message, Message>> methods = new HashMap<>();
    private final List<String> faults = new ArrayList<>();

    private SandboxTour(Sandbox sandbox) {
        this.sandbox = sandbox;
        for (ServiceDescriptor service : SERVICES) {
            for (MethodDescriptor<?, ?> method : service.getMethods()) {
                @SuppressWarnings("unchecked") // all methods of the contract take and give messages
                MethodDescriptor<Message, Message> ofMessages = (MethodDescriptor<Message, Message>) method;
                methods.put(method.getFullMethodName(), ofMessages);
            }
        }
    }

    public static void main(String[] arguments) throws IOException {
        long began = System.nanoTime();
        SandboxTour tour = new SandboxTour(Sandbox.read());
        JsonObject magic = tour.sandbox.facts().getAsJsonObject("magic");

        Set<String> outcomes = new HashSet<>();
        for (JsonElement entry : magic.getAsJsonArray("outcomes")) {
            outcomes.add(tour.outcome(entry.getAsJsonObject()));
        }
        tour.missing(outcomes, Outcome.values(), "OUTCOME_");

        Set<String> reasons = new HashSet<>();
        for (JsonElement entry : magic.getAsJsonArray("reasons")) {
            reasons.add(tour.reason(entry.getAsJsonObject()));
        }
        tour.missing(reasons, ErrorReason.values(), "ERROR_REASON_");

        tour.faults.forEach(fault -> System.err.println("✗ " + fault));
        long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began);
        System.out.println((tour.faults.isEmpty() ? "✓ all" : tour.faults.size() + " faults") + " in " + seconds + " s");
        System.exit(tour.faults.isEmpty() ? 0 : 1);
    }

    private String outcome(JsonObject entry) throws IOException {
        String wanted = entry.get("outcome").getAsString();
        Message answer = call(entry);
        Verdict verdict = (Verdict) answer.getField(answer.getDescriptorForType().findFieldByName("verdict"));
        return compared(entry, wanted, verdict.getOutcome().name().replace("OUTCOME_", ""));
    }

    private String reason(JsonObject entry) throws IOException {
        String wanted = entry.get("reason").getAsString();
        String found = "no error";
        try {
            call(entry);
        } catch (StatusRuntimeException failed) {
            NodeError error = NodeError.of(failed);
            found = error.reason().isEmpty() ? failed.getMessage() : error.reason();
            if (error.adviceZh().isEmpty() || error.adviceEn().isEmpty() || error.requestId().isEmpty()) {
                faults.add(found + " has no words for people, or no request id");
            }
            if (entry.has("status") && !entry.get("status").getAsString().equals(error.code())) {
                faults.add(found + " comes as " + error.code() + ", not as " + entry.get("status"));
            }
        }
        return compared(entry, wanted, found);
    }

    private String compared(JsonObject entry, String wanted, String found) {
        if (!wanted.equals(found)) {
            faults.add(wanted + " (" + entry.get("way") + ", " + entry.get("rpc") + "): " + found);
        }
        return found;
    }

    private void missing(Set<String> reached, ProtocolMessageEnum[] values, String prefix) {
        int all = 0;
        for (ProtocolMessageEnum value : values) {
            String name = ((Enum<?>) value).name();
            if (name.equals("UNRECOGNIZED") || value.getNumber() == 0) {
                continue;
            }
            all++;
            if (!reached.contains(name.substring(prefix.length()))) {
                faults.add(name + " was not reached");
            }
        }
        System.out.println(prefix + "…: " + all + " values, " + reached.size() + " reached");
    }

    /** It makes one call of the list, and gives the answer or the first answer of a stream. */
    private Message call(JsonObject entry) throws IOException {
        MethodDescriptor<Message, Message> method = methods.get(entry.get("rpc").getAsString());
        // {serial} stands for a serial that was never used before.
        String request = entry.get("request").toString().replace("\"{serial}\"", '"' + NodeClient.newSerial("TOUR") + '"');
        Channel channel = channel(entry);
        CallOptions options = CallOptions.DEFAULT;
        if (entry.has("deadline_ms")) {
            options = options.withDeadlineAfter(entry.get("deadline_ms").getAsLong(), TimeUnit.MILLISECONDS);
        }
        Message message = parsed(method, request);
        if (method.getType() == MethodDescriptor.MethodType.UNARY) {
            return ClientCalls.blockingUnaryCall(channel, method, options, message);
        }
        Iterator<Message> answers = ClientCalls.blockingServerStreamingCall(channel, method, options, message);
        return answers.hasNext() ? answers.next() : message;
    }

    private Channel channel(JsonObject entry) {
        String at = entry.has("at") ? entry.get("at").getAsString() : "home";
        String as = entry.get("as").getAsString();
        Channel channel = callers.computeIfAbsent(as + "@" + at, who -> sandbox.app(as, at)).channel();
        if (!entry.has("metadata")) {
            return channel;
        }
        Metadata metadata = new Metadata();
        for (Map.Entry<String, JsonElement> pair : entry.getAsJsonObject("metadata").entrySet()) {
            metadata.put(
                    Metadata.Key.of(pair.getKey(), Metadata.ASCII_STRING_MARSHALLER), pair.getValue().getAsString());
        }
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    private static Message parsed(MethodDescriptor<Message, Message> method, String json)
            throws InvalidProtocolBufferException {
        MethodDescriptor.PrototypeMarshaller<Message> marshaller =
                (MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller();
        Message.Builder builder = marshaller.getMessagePrototype().newBuilderForType();
        JsonFormat.parser().merge(json, builder);
        return builder.build();
    }
}
