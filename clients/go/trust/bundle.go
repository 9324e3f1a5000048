// Package trust reads the trust bundle of the federation: which node signs with which keys, and until when.
package trust

import (
	"fmt"
	"time"

	"govcode.cn/go/evidence"
	commonv1 "govcode.cn/go/govcode/common/v1"
	routingv1 "govcode.cn/go/govcode/routing/v1"
	"govcode.cn/go/sm"
)

// Bundle answers which public key checks a node's evidence.
type Bundle struct {
	*routingv1.TrustBundle
}

// Open checks the hub's signature by the hub's public points, which come by another way than the bundle: they are pinned
// in every node's configuration and published by the hub.
func Open(signed *commonv1.Evidence, hubPoints ...[]byte) (*Bundle, error) {
	content := &routingv1.TrustBundle{}
	if err := evidence.Check(signed, evidence.TrustBundle, pinned(hubPoints), content); err != nil {
		return nil, fmt.Errorf("trust bundle: %w", err)
	}
	return &Bundle{content}, nil
}

// pinned are the keys that are known beforehand.
type pinned [][]byte

func (points pinned) SigningKey(_, keyID string, _ time.Time) ([]byte, error) {
	for _, point := range points {
		if sm.KeyID(point) == keyID {
			return point, nil
		}
	}
	return nil, fmt.Errorf("key %s is not a pinned key of the hub", keyID)
}

// Node finds a node; nil where the bundle has none of that id.
func (bundle *Bundle) Node(nodeID string) *routingv1.NodeTrust {
	for _, node := range bundle.GetNodes() {
		if node.GetNodeId() == nodeID {
			return node
		}
	}
	return nil
}

// SigningKey gives the public point for evidence of a node. A revoked key is refused whatever time the evidence states:
// who has the key can write any time.
func (bundle *Bundle) SigningKey(nodeID, keyID string, signedAt time.Time) ([]byte, error) {
	for _, revoked := range bundle.GetRevokedKeys() {
		if revoked.GetNodeId() == nodeID && revoked.GetKeyId() == keyID {
			return nil, fmt.Errorf("the key was revoked at %s", revoked.GetRevokeTime().AsTime().Format(time.RFC3339))
		}
	}
	for _, key := range bundle.Node(nodeID).GetKeys() {
		if key.GetKeyId() != keyID || key.GetPurpose() != routingv1.NodeKeyPurpose_NODE_KEY_PURPOSE_SIGN {
			continue
		}
		if sm.KeyID(key.GetPublicKey()) != keyID {
			return nil, fmt.Errorf("the bundle calls another key %s", keyID)
		}
		if signedAt.Before(key.GetStartTime().AsTime()) {
			return nil, fmt.Errorf("it was signed before the key came into use")
		}
		if key.GetEndTime() != nil && !signedAt.Before(key.GetEndTime().AsTime()) {
			return nil, fmt.Errorf("it was signed after the key had ended")
		}
		return key.GetPublicKey(), nil
	}
	return nil, fmt.Errorf("the trust bundle of version %d has no such signing key; a newer one may", bundle.GetVersion())
}
