// Package device is what a holder's phone does: it keeps one SM2 key and signs the holder's own acts with it.
//
// A back end carries the proofs to the node and cannot make them; the keys stand here because the sample plays both.
package device

import (
	"encoding/binary"

	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/sm"

	"google.golang.org/protobuf/proto"
)

// holderTag begins what a device signs; see HolderProof in the protos.
const holderTag = "govcode-holder-v1"

// Device is one device of a holder.
type Device struct {
	key *sm.PrivateKey
}

// New makes a device with a fresh key.
func New() (*Device, error) {
	key, err := sm.GenerateKey()
	if err != nil {
		return nil, err
	}
	return &Device{key}, nil
}

// FromKey makes a device with a given key.
func FromKey(key *sm.PrivateKey) *Device {
	return &Device{key}
}

// PublicKey is the public point, for OpenAccountStatement and BindDeviceStatement.
func (device *Device) PublicKey() []byte {
	return device.key.Point()
}

// KeyID names the device's key.
func (device *Device) KeyID() string {
	return device.key.ID()
}

// Prove signs a …Statement. The node checks the signature over these very bytes and takes the facts of the act from them.
func (device *Device) Prove(statement proto.Message) (*commonv1.HolderProof, error) {
	data, err := proto.Marshal(statement)
	if err != nil {
		return nil, err
	}
	signature, err := device.key.Sign(SignedBytes(string(proto.MessageName(statement)), data))
	if err != nil {
		return nil, err
	}
	return &commonv1.HolderProof{Statement: data, DeviceKeyId: device.KeyID(), Sm2Signature: signature}, nil
}

// SignedBytes are what the signature of a HolderProof covers: tag, name of the statement's message with its length, and
// the statement. The name keeps what was signed for one act from passing for another.
func SignedBytes(statementType string, statement []byte) []byte {
	signed := []byte(holderTag)
	signed = binary.BigEndian.AppendUint32(signed, uint32(len(statementType)))
	signed = append(signed, statementType...)
	return append(signed, statement...)
}

// Check verifies a HolderProof by the device's public point and only then reads the statement.
func Check(proof *commonv1.HolderProof, point []byte, statement proto.Message) error {
	signed := SignedBytes(string(proto.MessageName(statement)), proof.GetStatement())
	if err := sm.Verify(point, signed, proof.GetSm2Signature()); err != nil {
		return err
	}
	return proto.Unmarshal(proof.GetStatement(), statement)
}
