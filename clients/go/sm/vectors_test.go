package sm_test

import (
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"govcode.cn/go/sm"

	"github.com/emmansun/gmsm/sm4"
)

func TestSm2VectorsHold(t *testing.T) {
	var vectors struct {
		Private, PublicPoint string
		Signature            struct{ Input, Signature string }
		Encryption           struct{ Plaintext, CiphertextDer string }
		Cross                []struct{ By, Input, Signature, Plaintext, CiphertextDer string }
	}
	load(t, "sm2.json", &vectors)
	key, err := sm.ParsePrivateKey(vectors.Private)
	if err != nil {
		t.Fatal(err)
	}
	point := decoded(t, vectors.PublicPoint)
	if hex.EncodeToString(key.Point()) != vectors.PublicPoint {
		t.Error("the public point does not follow from the private key")
	}
	vectors.Cross = append(vectors.Cross, struct{ By, Input, Signature, Plaintext, CiphertextDer string }{
		"the standard", vectors.Signature.Input, vectors.Signature.Signature,
		vectors.Encryption.Plaintext, vectors.Encryption.CiphertextDer,
	})
	if len(vectors.Cross) < 3 {
		t.Fatalf("only %d vectors were read", len(vectors.Cross))
	}
	for _, one := range vectors.Cross {
		input, signature := decoded(t, one.Input), decoded(t, one.Signature)
		if err := sm.Verify(point, input, signature); err != nil {
			t.Errorf("signed by %s: %v", one.By, err)
		}
		signature[10] ^= 1
		if err := sm.Verify(point, input, signature); !errors.Is(err, sm.ErrSignature) {
			t.Errorf("signed by %s and changed: %v", one.By, err)
		}
		opened, err := key.Decrypt(decoded(t, one.CiphertextDer))
		if err != nil || hex.EncodeToString(opened) != one.Plaintext {
			t.Errorf("sealed by %s: %x %v", one.By, opened, err)
		}
	}
}

func TestAKeyFileOfMakeKeyIsRead(t *testing.T) {
	var vectors struct{ Private, PublicPoint string }
	load(t, "sm2.json", &vectors)
	file := decoded(t, "308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420"+
		vectors.Private+"a144034200"+vectors.PublicPoint)
	key, err := sm.ParsePKCS8(file)
	if err != nil || hex.EncodeToString(key.Point()) != vectors.PublicPoint {
		t.Errorf("%v", err)
	}
	if _, err := sm.ParsePKCS8(file[:len(file)-1]); err == nil {
		t.Error("a file that was cut off was read")
	}
}

func TestOwnSignatureHoldsForItsBytesAlone(t *testing.T) {
	key, err := sm.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := sm.ParsePrivateKey(key.Hex())
	if err != nil {
		t.Fatal(err)
	}
	signature, err := kept.Sign([]byte("this"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sm.Verify(key.Point(), []byte("this"), signature); err != nil {
		t.Error(err)
	}
	if err := sm.Verify(key.Point(), []byte("that"), signature); !errors.Is(err, sm.ErrSignature) {
		t.Error("it holds for other bytes too")
	}
	if err := sm.Verify(make([]byte, sm.PointSize), []byte("this"), signature); err == nil {
		t.Error("a point off the curve was taken")
	}
}

func TestSm3VectorsHold(t *testing.T) {
	var vectors struct {
		Cases []struct{ Input, Digest string }
	}
	load(t, "sm3.json", &vectors)
	for _, one := range vectors.Cases {
		if digest := hex.EncodeToString(sm.Digest(decoded(t, one.Input))); digest != one.Digest {
			t.Errorf("%s: %s", one.Input, digest)
		}
	}
}

func TestSm4GcmVectorHolds(t *testing.T) {
	var vectors struct {
		Gcm struct{ Key, Nonce, Aad, Plaintext, Ciphertext, Tag string }
	}
	load(t, "sm4.json", &vectors)
	one := vectors.Gcm
	block, err := sm4.NewCipher(decoded(t, one.Key))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := gcm.Open(nil, decoded(t, one.Nonce), decoded(t, one.Ciphertext+one.Tag), decoded(t, one.Aad))
	if err != nil || hex.EncodeToString(opened) != one.Plaintext {
		t.Errorf("%x %v", opened, err)
	}
}

// load reads a vector file; its names in snake case become Go's by dropping the lines, which JSON matches without case.
func load(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "tests", "vectors", "sm", name))
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 0, len(content))
	for _, char := range content {
		if char != '_' { // no value of these files holds one
			plain = append(plain, char)
		}
	}
	if err := json.Unmarshal(plain, into); err != nil {
		t.Fatal(err)
	}
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
