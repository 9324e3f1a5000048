package counter_test

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"govcode.cn/go/counter"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	routingv1 "govcode.cn/go/govcode/routing/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	useID     = "us_00000000000000000000000000000001"
	holding   = "110000"
	chunkSize = 16
	chunks    = 4
)

// delivering is a node that delivers one licence with a document of four chunks.
type delivering struct {
	authorizationv1.AuthorizationServiceClient // only FetchLicense is called

	reader, signer *sm.PrivateKey
	contentKey     []byte
	document       []byte
	breakAfter     uint32 // chunk before which the first stream breaks; 0 for never
	calls          []uint32
	changed        func([]*authorizationv1.FetchLicenseResponse) []*authorizationv1.FetchLicenseResponse
}

func newDelivering(t *testing.T) *delivering {
	t.Helper()
	made := &delivering{contentKey: random(t, 16), document: random(t, chunkSize*chunks-3)}
	for _, key := range []**sm.PrivateKey{&made.reader, &made.signer} {
		var err error
		if *key, err = sm.GenerateKey(); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

func (d *delivering) fetch(t *testing.T) (*counter.License, []byte, error) {
	t.Helper()
	bundle := &trust.Bundle{TrustBundle: &routingv1.TrustBundle{Nodes: []*routingv1.NodeTrust{{
		NodeId: holding,
		Keys: []*routingv1.NodeKey{{
			KeyId: d.signer.ID(), PublicKey: d.signer.Point(), StartTime: timestamppb.New(time.Unix(0, 0)),
			Purpose: routingv1.NodeKeyPurpose_NODE_KEY_PURPOSE_SIGN,
		}},
	}}}}
	var document bytes.Buffer
	request := &authorizationv1.FetchLicenseRequest{BizSerial: "F-1", ItemNo: 1}
	license, err := counter.Fetch(t.Context(), d, request, d.reader, bundle, &document)
	return license, document.Bytes(), err
}

func (d *delivering) FetchLicense(
	_ context.Context, request *authorizationv1.FetchLicenseRequest, _ ...grpc.CallOption,
) (grpc.ServerStreamingClient[authorizationv1.FetchLicenseResponse], error) {
	d.calls = append(d.calls, request.GetFromChunk())
	pieces := []*authorizationv1.FetchLicenseResponse{d.header(request.GetFromChunk())}
	for number := request.GetFromChunk(); number < chunks; number++ {
		if d.breakAfter == number && number > request.GetFromChunk() {
			return &pieced{pieces: pieces, end: status.Error(codes.Unavailable, "broken")}, nil
		}
		pieces = append(pieces, d.chunk(number))
	}
	pieces = append(pieces, d.delivery())
	if d.changed != nil {
		pieces = d.changed(pieces)
	}
	return &pieced{pieces: pieces, end: io.EOF}, nil
}

type pieced struct {
	grpc.ClientStream
	pieces []*authorizationv1.FetchLicenseResponse
	end    error
}

func (p *pieced) Recv() (*authorizationv1.FetchLicenseResponse, error) {
	if len(p.pieces) == 0 {
		return nil, p.end
	}
	piece := p.pieces[0]
	p.pieces = p.pieces[1:]
	return piece, nil
}

func (d *delivering) header(from uint32) *authorizationv1.FetchLicenseResponse {
	content, _ := proto.Marshal(&authorizationv1.LicenseContent{
		LicenseType: "business-licence", ContentKey: d.contentKey, DocumentFormat: "PDF",
		DocumentSize: uint64(len(d.document)), DocumentDigest: sm.Digest(d.document),
		Fields: []*authorizationv1.LicenseField{{Name: "uscc", Value: "91420100MA9TEXT417"}},
	})
	return &authorizationv1.FetchLicenseResponse{Piece: &authorizationv1.FetchLicenseResponse_Header{
		Header: &authorizationv1.LicenseHeader{
			UseId: useID, SealedContent: sealEnvelope(d.reader.Point(), content), ChunkCount: chunks, FromChunk: from,
		},
	}}
}

func (d *delivering) chunk(number uint32) *authorizationv1.FetchLicenseResponse {
	from, to := int(number)*chunkSize, min(int(number+1)*chunkSize, len(d.document))
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint32(nonce[8:], number)
	context := binary.BigEndian.AppendUint32([]byte("govcode-license-chunk-v1"+useID), number)
	context = binary.BigEndian.AppendUint32(context, chunks)
	data := gcm(d.contentKey).Seal(nil, nonce, d.document[from:to], context)
	return &authorizationv1.FetchLicenseResponse{Piece: &authorizationv1.FetchLicenseResponse_Chunk{
		Chunk: &authorizationv1.LicenseChunk{ChunkNo: number, Data: data},
	}}
}

func (d *delivering) delivery() *authorizationv1.FetchLicenseResponse {
	record := &authorizationv1.LicenseDelivery{UseId: useID, LicenseNodeId: holding, ChunkCount: chunks}
	payload, _ := proto.Marshal(record)
	signed := &commonv1.Evidence{
		Payload: payload, PayloadType: string(proto.MessageName(record)), NodeId: holding, KeyId: d.signer.ID(),
		SignedTime: timestamppb.New(time.UnixMilli(1_796_083_200_000)),
	}
	covered, _ := evidence.SignedBytes(signed, evidence.LicenseDelivery)
	signature, _ := d.signer.Sign(covered)
	signed.Proof = &commonv1.Evidence_Sm2Signature{Sm2Signature: signature}
	return &authorizationv1.FetchLicenseResponse{Piece: &authorizationv1.FetchLicenseResponse_Delivery{Delivery: signed}}
}

// sealEnvelope is the other side of envelope.Open, written out from the contract.
func sealEnvelope(point, content []byte) []byte {
	key, nonce := make([]byte, 16), make([]byte, 12)
	rand.Read(key)
	rand.Read(nonce)
	public, _ := sm2.NewPublicKey(point)
	wrapped, _ := sm2.EncryptASN1(rand.Reader, public, key)
	keyID, _ := hex.DecodeString(sm.KeyID(point))
	header := append([]byte{1}, keyID...)
	header = binary.BigEndian.AppendUint16(header, uint16(len(wrapped)))
	header = append(header, wrapped...)
	sealed := gcm(key).Seal(nil, nonce, content, append(bytes.Clone(header), useID...))
	return append(append(header, nonce...), sealed...)
}

func gcm(key []byte) cipher.AEAD {
	block, _ := sm4.NewCipher(key)
	sealing, _ := cipher.NewGCM(block)
	return sealing
}

func random(t *testing.T, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	rand.Read(data)
	return data
}

func TestALicenseIsOpenedWithItsDocument(t *testing.T) {
	d := newDelivering(t)
	license, document, err := d.fetch(t)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(document, d.document) || license.Content.GetFields()[0].GetValue() != "91420100MA9TEXT417" {
		t.Errorf("%d bytes, %v", len(document), license.Content)
	}
}

func TestABrokenStreamIsTakenUpWhereItBroke(t *testing.T) {
	d := newDelivering(t)
	d.breakAfter = 2
	_, document, err := d.fetch(t)
	if err != nil || !bytes.Equal(document, d.document) {
		t.Errorf("%d bytes: %v", len(document), err)
	}
	if len(d.calls) != 2 || d.calls[1] != 2 {
		t.Errorf("it was called from chunks %v", d.calls)
	}
}

func TestADeliveryThatIsNotWholeIsRefused(t *testing.T) {
	type pieces = []*authorizationv1.FetchLicenseResponse
	for name, change := range map[string]func(pieces) pieces{
		"nothing came":             func(pieces) pieces { return nil },
		"the record is missing":    func(p pieces) pieces { return p[:len(p)-1] },
		"a chunk is missing":       func(p pieces) pieces { return append(p[:2:2], p[3:]...) },
		"the last one is missing":  func(p pieces) pieces { return append(p[:chunks:chunks], p[chunks+1]) },
		"chunks changed places":    func(p pieces) pieces { p[1], p[2] = p[2], p[1]; return p },
		"a chunk was renumbered":   func(p pieces) pieces { p[1].GetChunk().Data = p[2].GetChunk().GetData(); return p },
		"a bit of a chunk changed": func(p pieces) pieces { p[1].GetChunk().Data[3] ^= 1; return p },
		"a bit of the content changed": func(p pieces) pieces {
			sealed := p[0].GetHeader().GetSealedContent()
			sealed[len(sealed)-1] ^= 1
			return p
		},
		"the content is of another use": func(p pieces) pieces { p[0].GetHeader().UseId = "us_2"; return p },
		"the header is cut off": func(p pieces) pieces {
			p[0].GetHeader().SealedContent = p[0].GetHeader().GetSealedContent()[:20]
			return p
		},
		"a bit of the record changed":       func(p pieces) pieces { p[len(p)-1].GetDelivery().Payload[0] ^= 1; return p },
		"the count of chunks was cut short": func(p pieces) pieces { p[0].GetHeader().ChunkCount--; return p },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelivering(t)
			d.changed = change
			if license, _, err := d.fetch(t); err == nil {
				t.Errorf("it was taken: %v", license)
			}
		})
	}
}

func TestAnEnvelopeForAnotherKeyIsNamed(t *testing.T) {
	d := newDelivering(t)
	other := newDelivering(t)
	d.changed = func(pieces []*authorizationv1.FetchLicenseResponse) []*authorizationv1.FetchLicenseResponse {
		pieces[0] = other.header(0)
		return pieces
	}
	if _, _, err := d.fetch(t); err == nil || !bytes.Contains([]byte(err.Error()), []byte(other.reader.ID())) {
		t.Errorf("%v", err)
	}
}
