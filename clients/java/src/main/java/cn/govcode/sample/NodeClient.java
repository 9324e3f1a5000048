package cn.govcode.sample;

import cn.govcode.authorization.v1.AuthorizationServiceGrpc;
import cn.govcode.authorization.v1.AuthorizationServiceGrpc.AuthorizationServiceBlockingStub;
import cn.govcode.code.v1.CodeApplicationServiceGrpc;
import cn.govcode.code.v1.CodeApplicationServiceGrpc.CodeApplicationServiceBlockingStub;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * A node, as one application sees it: one channel with mutual TLS, the agreed keep-alive, retries, and a deadline on every
 * unary call. It may be used by several threads and lives as long as the program.
 */
public final class NodeClient implements AutoCloseable {
    /** Milliseconds that a unary call may take where the caller says nothing. */
    public static final long DEADLINE_MILLIS = 10_000;

    private static final Metadata.Key<String> REQUEST_ID = key("govcode-request-id");
    private static final Metadata.Key<String> DEVICE_ID = key("govcode-device-id");

    private final ManagedChannel channel;
    private final CodeApplicationServiceBlockingStub codes;
    private final AuthorizationServiceBlockingStub authorizations;

    /**
     * It connects at the first call.
     *
     * @param target {@code host:port}.
     * @param serverName name that must stand in the node's certificate; the target's host where empty
     * @param roots PEM of the authorities that may have signed it
     * @param certificate PEM of the application's certificate
     * @param privateKey PEM of its key, PKCS#8
     * @param deviceId the reading device (识读终端), sent with every call; may be empty
     */
    public NodeClient(
            String target, String serverName, String roots, String certificate, String privateKey, String deviceId) {
        ManagedChannelBuilder<?> builder =
                Grpc.newChannelBuilder(target, credentials(roots, certificate, privateKey))
                        // README.md says why each.
                        .keepAliveTime(20, TimeUnit.SECONDS)
                        .keepAliveTimeout(10, TimeUnit.SECONDS)
                        .keepAliveWithoutCalls(true)
                        .idleTimeout(1, TimeUnit.DAYS)
                        .maxInboundMessageSize(16 * 1024 * 1024)
                        .enableRetry()
                        .defaultServiceConfig(serviceConfig())
                        .intercept(new CallDefaults(deviceId));
        if (!serverName.isEmpty()) {
            builder.overrideAuthority(serverName);
        }
        this.channel = builder.build();
        this.codes = CodeApplicationServiceGrpc.newBlockingStub(channel);
        this.authorizations = AuthorizationServiceGrpc.newBlockingStub(channel);
    }

    /** 码应用服务 (7.1). */
    public CodeApplicationServiceBlockingStub codes() {
        return codes;
    }

    /** 授权调用电子证照 (6.3). */
    public AuthorizationServiceBlockingStub authorizations() {
        return authorizations;
    }

    /** The channel, for stubs of other services, and for asynchronous ones. */
    public Channel channel() {
        return channel;
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    /** It makes a serial (业务流水号) that was never used before. Keep it until the act is answered. */
    public static String newSerial(String act) {
        return act + "-" + UUID.randomUUID();
    }

    private static ChannelCredentials credentials(String roots, String certificate, String privateKey) {
        try {
            return TlsChannelCredentials.newBuilder()
                    .trustManager(stream(roots))
                    .keyManager(stream(certificate), stream(privateKey))
                    .build();
        } catch (IOException fault) {
            throw new IllegalArgumentException("roots, certificate or key cannot be read", fault);
        }
    }

    private static InputStream stream(String pem) {
        return new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII));
    }

    /**
     * What is tried again by the channel itself: only UNAVAILABLE, which says that the node did not take the call. A second
     * try is harmless, since every act carries its serial. Calls without an answer in time are for the caller to repeat,
     * with the same serial.
     */
    private static Map<String, ?> serviceConfig() {
        Map<String, Object> retries = new HashMap<>();
        retries.put("maxAttempts", 4.0);
        retries.put("initialBackoff", "0.1s");
        retries.put("maxBackoff", "2s");
        retries.put("backoffMultiplier", 2.0);
        retries.put("retryableStatusCodes", Collections.singletonList("UNAVAILABLE"));
        Map<String, Object> everyMethod = new HashMap<>();
        everyMethod.put("name", Collections.singletonList(Collections.emptyMap()));
        everyMethod.put("retryPolicy", retries);
        Map<String, Object> throttling = new HashMap<>();
        throttling.put("maxTokens", 20.0);
        throttling.put("tokenRatio", 0.2);
        Map<String, Object> config = new HashMap<>();
        config.put("methodConfig", Collections.singletonList(everyMethod));
        config.put("retryThrottling", throttling);
        return config;
    }

    private static Metadata.Key<String> key(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    /** It gives every call an id and the reading device, and unary calls without a deadline the usual one. */
    private static final class CallDefaults implements ClientInterceptor {
        private final String deviceId;

        CallDefaults(String deviceId) {
            this.deviceId = deviceId;
        }

        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            CallOptions used = options;
            if (options.getDeadline() == null && method.getType() == MethodDescriptor.MethodType.UNARY) {
                used = options.withDeadlineAfter(DEADLINE_MILLIS, TimeUnit.MILLISECONDS);
            }
            return new SimpleForwardingClientCall<Q, A>(next.newCall(method, used)) {
                @Override
                public void start(Listener<A> listener, Metadata headers) {
                    headers.put(REQUEST_ID, UUID.randomUUID().toString().replace("-", ""));
                    if (!deviceId.isEmpty()) {
                        headers.put(DEVICE_ID, deviceId);
                    }
                    super.start(listener, headers);
                }
            };
        }
    }
}
