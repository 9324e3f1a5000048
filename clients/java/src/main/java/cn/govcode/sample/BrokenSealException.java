package cn.govcode.sample;

/** Sealed bytes were changed, are meant for another key, or belong elsewhere. Nothing of them may be used. */
public class BrokenSealException extends Exception {
    private static final long serialVersionUID = 1L;

    public BrokenSealException(String message, Throwable cause) {
        super(message, cause);
    }
}
