// Package evidence checks what a node signed without asking any node: the bytes as they came, a public key, and nothing
// else. It verifies first and parses then; nothing is ever serialized again for checking.
package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/sm"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Purpose says what evidence is for. It is part of the signed bytes but not of the message: the reader states the purpose
// that it expects, so that what was signed for one never passes for another.
type Purpose string

// Purposes of the contract that a client meets.
const (
	ScanAnswer      Purpose = "SCAN_ANSWER"
	RecognizeAnswer Purpose = "RECOGNIZE_ANSWER"
	TrustBundle     Purpose = "TRUST_BUNDLE"
	ConsentRequest  Purpose = "CONSENT_REQUEST"
	Consent         Purpose = "CONSENT"
	Grant           Purpose = "GRANT"
	Withdrawal      Purpose = "WITHDRAWAL"
	LicenseUse      Purpose = "LICENSE_USE"
	LicenseDelivery Purpose = "LICENSE_DELIVERY"
)

const evidenceTag = "govcode-evidence-v1"

// Keys finds the public point by which a node's evidence is checked, trusted for what was signed at that time.
type Keys interface {
	SigningKey(nodeID, keyID string, signedAt time.Time) ([]byte, error)
}

// Check verifies evidence and only then parses its payload into the message, whose type must be that of the payload.
func Check(from *commonv1.Evidence, purpose Purpose, keys Keys, payload proto.Message) error {
	if err := Verify(from, purpose, string(proto.MessageName(payload)), keys); err != nil {
		return err
	}
	return proto.Unmarshal(from.GetPayload(), payload)
}

// Verify verifies evidence whose payload is kept as bytes.
func Verify(from *commonv1.Evidence, purpose Purpose, payloadType string, keys Keys) error {
	if from == nil {
		return errors.New("there is no evidence")
	}
	if err := verify(from, purpose, payloadType, keys); err != nil {
		return fmt.Errorf("evidence of node %s under key %s: %w", from.GetNodeId(), from.GetKeyId(), err)
	}
	return nil
}

func verify(from *commonv1.Evidence, purpose Purpose, payloadType string, keys Keys) error {
	if from.GetPayloadType() != payloadType {
		return fmt.Errorf("it carries %s, not %s", from.GetPayloadType(), payloadType)
	}
	signed, err := SignedBytes(from, purpose)
	if err != nil {
		return err
	}
	point, err := keys.SigningKey(from.GetNodeId(), from.GetKeyId(), from.GetSignedTime().AsTime())
	if err != nil {
		return err
	}
	switch proof := from.GetProof().(type) {
	case *commonv1.Evidence_Sm2Signature:
		return sm.Verify(point, signed, proof.Sm2Signature)
	case *commonv1.Evidence_Merkle:
		return checkMerkle(point, signed, proof.Merkle)
	default:
		return errors.New("it carries no proof")
	}
}

// SignedBytes are what the proof of evidence covers for a purpose. Every text carries its length, so that no two
// statements share their bytes.
func SignedBytes(from *commonv1.Evidence, purpose Purpose) ([]byte, error) {
	signedTime, err := milliseconds(from.GetSignedTime())
	if err != nil {
		return nil, err
	}
	signed := []byte(evidenceTag)
	for _, text := range []string{string(purpose), from.GetPayloadType(), from.GetNodeId(), from.GetKeyId()} {
		signed = binary.BigEndian.AppendUint32(signed, uint32(len(text)))
		signed = append(signed, text...)
	}
	signed = binary.BigEndian.AppendUint64(signed, signedTime)
	return append(signed, from.GetPayload()...), nil
}

// milliseconds refuses a time that is finer: what lies below would be carried without being covered by the signature.
func milliseconds(stamp *timestamppb.Timestamp) (uint64, error) {
	if stamp.CheckValid() != nil || stamp.GetSeconds() < 0 || stamp.GetNanos()%1_000_000 != 0 {
		return 0, errors.New("its time is missing, out of bounds, or finer than a millisecond")
	}
	return uint64(stamp.AsTime().UnixMilli()), nil
}
