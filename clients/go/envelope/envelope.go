// Package envelope opens what a node sealed to an application's registered SM2 key: licences and their documents.
package envelope

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"govcode.cn/go/sm"

	"github.com/emmansun/gmsm/sm4"
)

// ErrBroken says that the sealed bytes were changed, cut off, or belong elsewhere.
var ErrBroken = errors.New("the seal is broken")

const (
	version   = 1
	wrappedAt = 1 + 8 + 2 // version, key id, length of the wrapped key
	nonceSize = 12
	chunkTag  = "govcode-license-chunk-v1"
)

// Open opens an envelope: version, key id, length, wrapped SM4 key, nonce, ciphertext and tag. All before the nonce is
// authenticated together with context, which says what the content belongs to: for a licence, the id of the use.
func Open(key *sm.PrivateKey, sealed, context []byte) ([]byte, error) {
	if len(sealed) < wrappedAt || sealed[0] != version {
		return nil, fmt.Errorf("no envelope of version %d", version)
	}
	if keyID := hex.EncodeToString(sealed[1:9]); keyID != key.ID() {
		return nil, fmt.Errorf("the envelope is for key %s, and this is %s", keyID, key.ID())
	}
	header := wrappedAt + int(binary.BigEndian.Uint16(sealed[wrappedAt-2:]))
	if len(sealed) < header+nonceSize {
		return nil, ErrBroken
	}
	contentKey, err := key.Decrypt(sealed[wrappedAt:header])
	if err != nil {
		return nil, ErrBroken
	}
	nonce, ciphertext := sealed[header:header+nonceSize], sealed[header+nonceSize:]
	return open(contentKey, nonce, ciphertext, bytes.Join([][]byte{sealed[:header], context}, nil))
}

// OpenChunk opens one chunk of a document under the content key, which is in the licence's envelope.
func OpenChunk(contentKey []byte, useID string, number, count uint32, sealed []byte) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	binary.BigEndian.PutUint32(nonce[nonceSize-4:], number)
	context := append([]byte(chunkTag), useID...)
	context = binary.BigEndian.AppendUint32(context, number)
	context = binary.BigEndian.AppendUint32(context, count)
	return open(contentKey, nonce, sealed, context)
}

func open(contentKey, nonce, ciphertext, context []byte) ([]byte, error) {
	block, err := sm4.NewCipher(contentKey)
	if err != nil {
		return nil, ErrBroken
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	content, err := gcm.Open(nil, nonce, ciphertext, context)
	if err != nil {
		return nil, ErrBroken
	}
	return content, nil
}
