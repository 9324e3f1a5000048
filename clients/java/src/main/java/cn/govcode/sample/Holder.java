package cn.govcode.sample;

import cn.govcode.code.v1.BeginIdentificationRequest;
import cn.govcode.code.v1.BindDeviceRequest;
import cn.govcode.code.v1.BindDeviceStatement;
import cn.govcode.code.v1.IssuedCode;
import cn.govcode.code.v1.OpenAccountRequest;
import cn.govcode.code.v1.OpenAccountStatement;
import cn.govcode.code.v1.PresentCodeRequest;
import cn.govcode.code.v1.Session;
import cn.govcode.code.v1.TerminalType;
import cn.govcode.common.v1.Identification;
import cn.govcode.common.v1.SubjectKind;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import io.grpc.StatusRuntimeException;

/** One holder with a device and a session, as a citizen-facing back end (公众端后端) carries it to the node. */
public final class Holder {
    private final NodeClient node;
    private final Person person;
    private final HolderDevice device;
    private final Session session;

    private Holder(NodeClient node, Person person, HolderDevice device, Session session) {
        this.node = node;
        this.person = person;
        this.device = device;
        this.session = session;
    }

    /** A person whom the identity provider of tests and sandboxes knows. */
    public static final class Person {
        final String name;
        final String idNumber;
        final String secret;

        public Person(String name, String idNumber, String secret) {
            this.name = name;
            this.idNumber = idNumber;
            this.secret = secret;
        }
    }

    /** It opens the person's account on a fresh device; an account that exists is moved to that device. */
    public static Holder open(NodeClient node, Person person, String termsVersion) {
        HolderDevice device = HolderDevice.generate();
        Identification identification = identify(node, person);
        String serial = NodeClient.newSerial("OPEN");
        OpenAccountStatement statement =
                OpenAccountStatement.newBuilder()
                        .setIdentificationId(identification.getIdentificationId())
                        .setBizSerial(serial)
                        .setSignedTime(HolderDevice.now())
                        .setDevicePublicKey(device.publicKey())
                        .setTermsVersion(termsVersion)
                        .build();
        OpenAccountRequest request =
                OpenAccountRequest.newBuilder()
                        .setBizSerial(serial)
                        .setIdentification(identification)
                        .setProof(device.prove(statement))
                        .build();
        try {
            return new Holder(node, person, device, node.codes().openAccount(request).getSession());
        } catch (StatusRuntimeException failed) {
            if (!NodeError.of(failed).reason().equals("ALREADY_OPEN")) {
                throw failed;
            }
            return bind(node, person, device);
        }
    }

    private static Holder bind(NodeClient node, Person person, HolderDevice device) {
        Identification identification = identify(node, person);
        String serial = NodeClient.newSerial("BIND");
        BindDeviceStatement statement =
                BindDeviceStatement.newBuilder()
                        .setIdentificationId(identification.getIdentificationId())
                        .setBizSerial(serial)
                        .setSignedTime(HolderDevice.now())
                        .setDevicePublicKey(device.publicKey())
                        .build();
        BindDeviceRequest request =
                BindDeviceRequest.newBuilder()
                        .setBizSerial(serial)
                        .setIdentification(identification)
                        .setProof(device.prove(statement))
                        .build();
        return new Holder(node, person, device, node.codes().bindDevice(request).getSession());
    }

    /** It begins an identity check and lets the device kit finish its part. */
    static Identification identify(NodeClient node, Person person) {
        BeginIdentificationRequest request =
                BeginIdentificationRequest.newBuilder().setSubjectKind(SubjectKind.SUBJECT_KIND_PERSON).build();
        return finished(node.codes().beginIdentification(request).getIdentificationId(), person);
    }

    /**
     * What the device kit of the {@code local} provider makes. Real kits read a face or a card and seal what they found for
     * their provider; the node hands the blob on unread.
     */
    static Identification finished(String identificationId, Person person) {
        JsonObject blob = new JsonObject();
        blob.addProperty("identification_id", identificationId);
        blob.addProperty("id_number", person.idNumber);
        blob.addProperty("secret", person.secret);
        return Identification.newBuilder()
                .setIdentificationId(identificationId)
                .setProviderBlob(ByteString.copyFromUtf8(blob.toString()))
                .build();
    }

    /** It presents a one-time code (亮码); its text is what a QR code on the screen carries. */
    public IssuedCode presentOnce() {
        PresentCodeRequest request =
                PresentCodeRequest.newBuilder()
                        .setBizSerial(NodeClient.newSerial("PRESENT"))
                        .setSessionToken(session.getSessionToken())
                        .setTerminalType(TerminalType.TERMINAL_TYPE_APP)
                        .setOneTime(true)
                        .build();
        return node.codes().presentCode(request).getCode();
    }

    public NodeClient node() {
        return node;
    }

    public Person person() {
        return person;
    }

    public HolderDevice device() {
        return device;
    }

    public Session session() {
        return session;
    }
}
