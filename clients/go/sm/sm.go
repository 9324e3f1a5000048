// Package sm has what the contract needs of SM2, SM3 and SM4, in the forms in which the contract carries them: public
// points of 65 bytes, signatures as r‖s of 64 bytes over SM3 with the default user id, SM2 ciphertexts in DER.
package sm

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

// UserID is the user id of every SM2 signature of the contract (GB/T 35276).
var UserID = []byte("1234567812345678")

const (
	// PointSize is the length of a public point: 0x04, x, y.
	PointSize = 65
	// SignatureSize is the length of a signature: r, s.
	SignatureSize = 64
)

// ErrSignature says that a signature does not belong to these bytes and this key.
var ErrSignature = errors.New("the SM2 signature does not hold")

// Digest is the SM3 of data, 32 bytes.
func Digest(data []byte) []byte {
	sum := sm3.Sum(data)
	return sum[:]
}

// KeyID names a public key: the first 16 hexadecimal digits of the SM3 of its point.
func KeyID(point []byte) string {
	return hex.EncodeToString(Digest(point)[:8])
}

// PrivateKey is an SM2 key. In production it stays in the phone's secure area or in a cipher machine.
type PrivateKey struct {
	key *sm2.PrivateKey
}

// GenerateKey draws a fresh key.
func GenerateKey() (*PrivateKey, error) {
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{key}, nil
}

// ParsePrivateKey reads a key of 64 hexadecimal digits.
func ParsePrivateKey(text string) (*PrivateKey, error) {
	scalar, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	key, err := sm2.NewPrivateKey(scalar)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{key}, nil
}

// ParsePKCS8 reads the file that `govcode registry make-key` writes: PKCS #8, DER.
func ParsePKCS8(der []byte) (*PrivateKey, error) {
	parsed, err := smx509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*sm2.PrivateKey)
	if !ok {
		return nil, errors.New("the key is none of SM2")
	}
	return &PrivateKey{key}, nil
}

// Hex writes the key as ParsePrivateKey reads it: for development only.
func (key *PrivateKey) Hex() string {
	return hex.EncodeToString(key.key.D.FillBytes(make([]byte, 32)))
}

// Point is the public point.
func (key *PrivateKey) Point() []byte {
	point := make([]byte, PointSize)
	point[0] = 4
	key.key.X.FillBytes(point[1:33])
	key.key.Y.FillBytes(point[33:])
	return point
}

// ID names the key, as KeyID does.
func (key *PrivateKey) ID() string {
	return KeyID(key.Point())
}

// pair is a signature in DER, which is how the library has it.
type pair struct{ R, S *big.Int }

// Sign makes a signature of 64 bytes.
func (key *PrivateKey) Sign(message []byte) ([]byte, error) {
	der, err := key.key.SignWithSM2(rand.Reader, UserID, message)
	if err != nil {
		return nil, err
	}
	var made pair
	if _, err := asn1.Unmarshal(der, &made); err != nil {
		return nil, err
	}
	signature := make([]byte, SignatureSize)
	made.R.FillBytes(signature[:32])
	made.S.FillBytes(signature[32:])
	return signature, nil
}

// Decrypt opens an SM2 ciphertext in DER (GM/T 0009).
func (key *PrivateKey) Decrypt(ciphertext []byte) ([]byte, error) {
	return key.key.Decrypt(rand.Reader, ciphertext, sm2.ASN1DecrypterOpts)
}

// Verify returns nil if the key of this point signed the message, else ErrSignature or what is wrong with the point.
func Verify(point, message, signature []byte) error {
	public, err := publicKey(point)
	if err != nil {
		return err
	}
	if len(signature) != SignatureSize {
		return ErrSignature
	}
	given := pair{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])}
	der, err := asn1.Marshal(given)
	if err != nil || !sm2.VerifyASN1WithSM2(public, UserID, message, der) {
		return ErrSignature
	}
	return nil
}

func publicKey(point []byte) (*ecdsa.PublicKey, error) {
	if len(point) != PointSize {
		return nil, errors.New("a public point has 65 bytes")
	}
	return sm2.NewPublicKey(point) // refuses a point that is not on the curve
}
