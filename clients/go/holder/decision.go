package holder

import (
	"bytes"
	"context"
	"errors"

	"govcode.cn/go/channel"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/sm"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Choice is the holder's word on one item of a request, given on the consent page (告知页).
type Choice struct {
	Granted bool
	// Confirmed says that the holder confirmed a sensitive item by itself (单独同意).
	Confirmed bool
	// Place is the node of the region that holds the licence, from LocateLicenses.
	Place string
}

// Decide signs and sends the holder's decision on an authorization request, item by item. What the device signs names the
// text that was shown by version and hash, so that nobody can claim later that another text was agreed to.
func (session *Session) Decide(
	ctx context.Context, node authorizationv1.AuthorizationServiceClient, kit Kit,
	asked *authorizationv1.Authorization, page *authorizationv1.ConsentPage, choices map[uint32]Choice,
) (*authorizationv1.DecideAuthorizationResponse, error) {
	if !bytes.Equal(sm.Digest([]byte(page.GetNoticeText())), page.GetNoticeHash()) {
		return nil, errors.New("the hash on the consent page is not that of its text")
	}
	statement := &authorizationv1.DecideAuthorizationStatement{
		SessionId:       session.ID,
		BizSerial:       channel.Serial("DECIDE"),
		SignedTime:      timestamppb.Now(),
		AuthorizationId: asked.GetAuthorizationId(),
		NoticeVersion:   page.GetNoticeVersion(),
		NoticeHash:      page.GetNoticeHash(),
	}
	var granted []uint32
	var sensitive bool
	for _, item := range asked.GetItems() {
		choice := choices[item.GetItemNo()]
		statement.Items = append(statement.Items, &authorizationv1.ItemDecision{
			ItemNo:             item.GetItemNo(),
			Granted:            choice.Granted,
			SensitiveConfirmed: choice.Granted && choice.Confirmed,
			LicenseNodeId:      choice.Place,
		})
		if choice.Granted {
			granted = append(granted, item.GetItemNo())
			sensitive = sensitive || item.GetSensitive()
		}
	}
	request := &authorizationv1.DecideAuthorizationRequest{
		BizSerial: statement.GetBizSerial(), SessionToken: session.Token,
	}
	if sensitive {
		check, digest, err := session.stepUp(ctx, node, kit, asked.GetAuthorizationId(), granted)
		if err != nil {
			return nil, err
		}
		request.Identification, statement.StepUpDigest = check, digest
	}
	proof, err := session.Device.Prove(statement)
	if err != nil {
		return nil, err
	}
	request.Proof = proof
	return node.DecideAuthorization(ctx, request)
}

// stepUp makes the stronger identity check that sensitive items need. Its digest binds it to this request and these items:
// it opens no other.
func (session *Session) stepUp(
	ctx context.Context, node authorizationv1.AuthorizationServiceClient, kit Kit, authorizationID string, items []uint32,
) (*commonv1.Identification, []byte, error) {
	begun, err := node.BeginStepUp(ctx, &authorizationv1.BeginStepUpRequest{
		SessionToken: session.Token, AuthorizationId: authorizationID, ItemNos: items,
	})
	if err != nil {
		return nil, nil, err
	}
	identified, err := answer(begun.GetIdentificationId(), kit)
	return identified, begun.GetStepUpDigest(), err
}

// Withdraw takes a grant back; no use begins after the answer.
func (session *Session) Withdraw(
	ctx context.Context, node authorizationv1.AuthorizationServiceClient, authorizationID string,
) (*authorizationv1.Authorization, error) {
	serial := channel.Serial("WITHDRAW")
	proof, err := session.Device.Prove(&authorizationv1.WithdrawAuthorizationStatement{
		SessionId: session.ID, BizSerial: serial, SignedTime: timestamppb.Now(), AuthorizationId: authorizationID,
	})
	if err != nil {
		return nil, err
	}
	withdrawn, err := node.WithdrawAuthorization(ctx, &authorizationv1.WithdrawAuthorizationRequest{
		BizSerial: serial, SessionToken: session.Token, Proof: proof,
	})
	return withdrawn.GetAuthorization(), err
}
