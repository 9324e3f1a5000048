package counter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"govcode.cn/go/envelope"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"

	"github.com/emmansun/gmsm/sm3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// License is a licence as it was delivered and opened.
type License struct {
	UseID         string
	RemainingUses uint32
	Content       *authorizationv1.LicenseContent
	Delivery      *authorizationv1.LicenseDelivery
}

// fetchAttempts is how often a broken stream is taken up again; the serial keeps it one use.
const fetchAttempts = 3

// Fetch fetches one granted licence, opens it with the application's key, and writes its document, chunk by chunk, so that
// a document of 20 MB needs no more memory than one chunk. A stream that breaks is taken up where it broke.
func Fetch(
	ctx context.Context, node authorizationv1.AuthorizationServiceClient, request *authorizationv1.FetchLicenseRequest,
	key *sm.PrivateKey, bundle *trust.Bundle, document io.Writer,
) (*License, error) {
	written := sm3.New()
	delivery := &fetching{key: key, document: io.MultiWriter(document, written)}
	request = proto.CloneOf(request)
	for attempt := 1; ; attempt++ {
		err := delivery.read(ctx, node, request)
		if err == nil {
			return delivery.finish(bundle, written)
		}
		if status.Code(err) != codes.Unavailable || attempt == fetchAttempts {
			return nil, err
		}
		request.FromChunk = delivery.next
	}
}

// fetching is a delivery on its way.
type fetching struct {
	key      *sm.PrivateKey
	document io.Writer
	header   *authorizationv1.LicenseHeader
	content  *authorizationv1.LicenseContent
	next     uint32 // number of the chunk that comes next
	piece    *authorizationv1.FetchLicenseResponse
}

func (f *fetching) read(
	ctx context.Context, node authorizationv1.AuthorizationServiceClient, request *authorizationv1.FetchLicenseRequest,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // also where a chunk cannot be opened: the node shall not go on sending
	stream, err := node.FetchLicense(ctx, request)
	if err != nil {
		return err
	}
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.take(piece); err != nil {
			return err
		}
	}
}

func (f *fetching) take(piece *authorizationv1.FetchLicenseResponse) error {
	f.piece = piece
	switch part := piece.GetPiece().(type) {
	case *authorizationv1.FetchLicenseResponse_Header:
		opened, err := envelope.Open(f.key, part.Header.GetSealedContent(), []byte(part.Header.GetUseId()))
		if err != nil {
			return err
		}
		if part.Header.GetFromChunk() != f.next {
			return fmt.Errorf("the delivery goes on from chunk %d, not %d", part.Header.GetFromChunk(), f.next)
		}
		f.header, f.content = part.Header, &authorizationv1.LicenseContent{}
		return proto.Unmarshal(opened, f.content)
	case *authorizationv1.FetchLicenseResponse_Chunk:
		if f.header == nil || part.Chunk.GetChunkNo() != f.next {
			return fmt.Errorf("chunk %d came in place of %d", part.Chunk.GetChunkNo(), f.next)
		}
		opened, err := envelope.OpenChunk(
			f.content.GetContentKey(), f.header.GetUseId(), f.next, f.header.GetChunkCount(), part.Chunk.GetData(),
		)
		if err != nil {
			return err
		}
		f.next++
		_, err = f.document.Write(opened)
		return err
	}
	return nil
}

// finish holds what came against what was signed. Without the delivery record at the end the delivery is not whole.
func (f *fetching) finish(bundle *trust.Bundle, written hash.Hash) (*License, error) {
	record := &authorizationv1.LicenseDelivery{}
	if err := evidence.Check(f.piece.GetDelivery(), evidence.LicenseDelivery, bundle, record); err != nil {
		return nil, fmt.Errorf("the delivery is not whole: %w", err)
	}
	if record.GetUseId() != f.header.GetUseId() || f.next != f.header.GetChunkCount() {
		return nil, errors.New("the delivery record is of another delivery, or chunks are missing")
	}
	if f.header.GetChunkCount() > 0 && !bytes.Equal(written.Sum(nil), f.content.GetDocumentDigest()) {
		return nil, errors.New("the document is not the one that was delivered")
	}
	return &License{
		UseID: f.header.GetUseId(), RemainingUses: f.header.GetRemainingUses(), Content: f.content, Delivery: record,
	}, nil
}
