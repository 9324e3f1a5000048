package evidence_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"govcode.cn/go/evidence"
	codev1 "govcode.cn/go/govcode/code/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The vectors of this repository, made by a program that shares no line with anything that checks them.
var vectorFile = filepath.Join("..", "..", "..", "tests", "vectors", "evidence", "evidence-v1.json")

type vectors struct {
	PublicPoint string   `json:"public_point"`
	Plain       []vector `json:"plain"`
	Batches     []struct {
		LeafCount     uint32   `json:"leaf_count"`
		RootTime      int64    `json:"root_time_ms"`
		RootSignature string   `json:"root_signature"`
		Leaves        []vector `json:"leaves"`
	} `json:"batches"`
	Refused []vector `json:"refused"`
}

type vector struct {
	Why           string   `json:"why"`
	Purpose       string   `json:"purpose"`
	PayloadType   string   `json:"payload_type"`
	NodeID        string   `json:"node_id"`
	KeyID         string   `json:"key_id"`
	SignedTime    int64    `json:"signed_time_ms"`
	Payload       string   `json:"payload"`
	SignedBytes   string   `json:"signed_bytes"`
	Sm2Signature  string   `json:"sm2_signature"`
	LeafIndex     uint32   `json:"leaf_index"`
	LeafCount     uint32   `json:"leaf_count"`
	Path          []string `json:"path"`
	RootTime      int64    `json:"root_time_ms"`
	RootSignature string   `json:"root_signature"`
}

// oneKey leads every name to the vectors' key, so that a wrong name is caught by the signature and not by the look-up.
type oneKey []byte

func (key oneKey) SigningKey(string, string, time.Time) ([]byte, error) { return key, nil }

func TestGoldenEvidenceGivesItsPayload(t *testing.T) {
	all := load(t)
	golden := all.Plain
	for _, batch := range all.Batches {
		for _, leaf := range batch.Leaves {
			leaf.LeafCount, leaf.RootTime, leaf.RootSignature = batch.LeafCount, batch.RootTime, batch.RootSignature
			golden = append(golden, leaf)
		}
	}
	if len(golden) < 20 {
		t.Fatalf("only %d vectors were read", len(golden))
	}
	for _, one := range golden {
		signed, err := evidence.SignedBytes(one.evidence(t), evidence.Purpose(one.Purpose))
		if err != nil || hex.EncodeToString(signed) != one.SignedBytes {
			t.Errorf("%s %s: the signed bytes are not those of the vector: %v", one.Purpose, one.PayloadType, err)
		}
		if err := one.check(t, all); err != nil {
			t.Errorf("%s %s, leaf %d of %d: %v", one.Purpose, one.PayloadType, one.LeafIndex, one.LeafCount, err)
		}
	}
}

func TestEvidenceThatProvesNothingIsRefused(t *testing.T) {
	all := load(t)
	if len(all.Refused) < 10 {
		t.Fatalf("only %d vectors were read", len(all.Refused))
	}
	for _, one := range all.Refused {
		if err := one.check(t, all); err == nil {
			t.Errorf("accepted: %s", one.Why)
		}
	}
}

func TestEvidenceWithoutAProofOrWithAFinerTimeIsRefused(t *testing.T) {
	all := load(t)
	bare := all.Plain[0].evidence(t)
	bare.Proof = nil
	finer := all.Plain[0].evidence(t)
	finer.SignedTime.Nanos++
	for why, offered := range map[string]*commonv1.Evidence{"no proof": bare, "finer time": finer, "none at all": nil} {
		if err := evidence.Verify(offered, evidence.ScanAnswer, all.Plain[0].PayloadType, all.key(t)); err == nil {
			t.Errorf("accepted: %s", why)
		}
	}
}

func TestAnotherPayloadTypeThanTheReaderWillParseIsRefused(t *testing.T) {
	all := load(t)
	account := &codev1.Account{}
	if err := evidence.Check(all.Plain[0].evidence(t), evidence.ScanAnswer, all.key(t), account); err == nil {
		t.Error("a ScanAnswer was read as an Account")
	}
}

// A node of the next version may add fields to the evidence message; the proof covers the payload as it was sent.
func TestFieldsThatANewerNodeAddedChangeNothing(t *testing.T) {
	all := load(t)
	sent, err := proto.Marshal(all.Plain[0].evidence(t))
	if err != nil {
		t.Fatal(err)
	}
	sent = protowire.AppendString(protowire.AppendTag(sent, 100, protowire.BytesType), "new")
	received := &commonv1.Evidence{}
	if err := proto.Unmarshal(sent, received); err != nil {
		t.Fatal(err)
	}
	if err := evidence.Verify(received, evidence.ScanAnswer, all.Plain[0].PayloadType, all.key(t)); err != nil {
		t.Error(err)
	}
}

func load(t *testing.T) vectors {
	t.Helper()
	content, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (all vectors) key(t *testing.T) evidence.Keys { return oneKey(decoded(t, all.PublicPoint)) }

func (one vector) check(t *testing.T, all vectors) error {
	return evidence.Verify(one.evidence(t), evidence.Purpose(one.Purpose), one.PayloadType, all.key(t))
}

func (one vector) evidence(t *testing.T) *commonv1.Evidence {
	t.Helper()
	message := &commonv1.Evidence{
		Payload: decoded(t, one.Payload), PayloadType: one.PayloadType, NodeId: one.NodeID, KeyId: one.KeyID,
		SignedTime: timestamppb.New(time.UnixMilli(one.SignedTime)),
	}
	if one.Sm2Signature != "" {
		message.Proof = &commonv1.Evidence_Sm2Signature{Sm2Signature: decoded(t, one.Sm2Signature)}
		return message
	}
	merkle := &commonv1.MerkleProof{
		LeafIndex: one.LeafIndex, LeafCount: one.LeafCount,
		RootTime: timestamppb.New(time.UnixMilli(one.RootTime)), RootSignature: decoded(t, one.RootSignature),
	}
	for _, hash := range one.Path {
		merkle.Path = append(merkle.Path, decoded(t, hash))
	}
	message.Proof = &commonv1.Evidence_Merkle{Merkle: merkle}
	return message
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
