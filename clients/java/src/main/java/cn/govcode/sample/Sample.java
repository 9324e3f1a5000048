package cn.govcode.sample;

import io.grpc.StatusRuntimeException;

/** It plays 6.1, 6.2 and 6.3 against a sandbox; the environment variable GOVCODE_SANDBOX names the credentials file. */
public final class Sample {
    private Sample() {}

    public static void main(String[] arguments) throws Exception {
        Sandbox sandbox = Sandbox.read();
        try {
            say("6.1 presented and scanned 亮码扫码");
            Holder holder = PresentAndScan.play(sandbox);
            say("6.2 recognised in another region 跨区域互认");
            Recognise.play(sandbox, holder);
            say("6.3 authorised and fetched 授权调用电子证照");
            Authorise.play(sandbox, holder);
        } catch (StatusRuntimeException failed) {
            System.err.println(NodeError.of(failed));
            throw failed;
        }
        System.exit(0); // channels of a program that ends need no farewell
    }

    static void say(String line) {
        System.out.println(line);
    }
}
