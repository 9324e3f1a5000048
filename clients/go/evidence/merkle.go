package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"

	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/sm"
)

const (
	merkleTag    = "govcode-merkle-v1"
	hashSize     = 32
	maxLeafCount = 65_536
)

// checkMerkle verifies that the signed bytes are one leaf of a tree whose root the key has signed.
func checkMerkle(point, signed []byte, proof *commonv1.MerkleProof) error {
	rootTime, err := milliseconds(proof.GetRootTime())
	if err != nil {
		return err
	}
	root, err := rootFrom(leafHash(signed), proof)
	if err != nil {
		return err
	}
	covered := append([]byte(merkleTag), root...)
	covered = binary.BigEndian.AppendUint64(covered, rootTime)
	return sm.Verify(point, covered, proof.GetRootSignature())
}

// leafHash and nodeHash begin with different bytes, so that an inner node never passes for a leaf.
func leafHash(signed []byte) []byte {
	return sm.Digest(append([]byte{0}, signed...))
}

func nodeHash(left, right []byte) []byte {
	return sm.Digest(append(append([]byte{1}, left...), right...))
}

// rootFrom walks from a leaf up to the root. Index and count dictate the shape of the path exactly: a level without a
// sibling has no hash in it, and none may be left over.
func rootFrom(node []byte, proof *commonv1.MerkleProof) ([]byte, error) {
	index, count, path := proof.GetLeafIndex(), proof.GetLeafCount(), proof.GetPath()
	if count < 1 || count > maxLeafCount || index >= count {
		return nil, fmt.Errorf("leaf %d of %d is not possible", index, count)
	}
	for ; count > 1; index, count = index>>1, (count+1)>>1 {
		if index^1 >= count {
			continue // the odd one at the end of a level moves up as it is
		}
		if len(path) == 0 || len(path[0]) != hashSize {
			return nil, errors.New("the path is too short, or a hash in it is not one")
		}
		if index&1 == 1 {
			node = nodeHash(path[0], node)
		} else {
			node = nodeHash(node, path[0])
		}
		path = path[1:]
	}
	if len(path) > 0 {
		return nil, errors.New("the path is too long")
	}
	return node, nil
}
