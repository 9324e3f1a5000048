// Package holder is the part of a citizens' back end: it opens accounts and sessions, and carries the holder's own acts
// to the node with the proof that the holder's device makes.
package holder

import (
	"context"

	"govcode.cn/go/channel"
	"govcode.cn/go/device"
	codev1 "govcode.cn/go/govcode/code/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Kit is the device kit (鉴别控件) of an identity provider: it identifies the person at the device and returns a blob that
// only the provider can read.
type Kit func(identificationID string) ([]byte, error)

// Session is a holder's session with the device that it belongs to. The token is a secret of back end and node; the id
// names the session in what the device signs.
type Session struct {
	Token, ID, AccountID string
	Device               *device.Device
}

// Open opens an account on a device by the holder's signature; where the holder has one already, it moves it to the device.
func Open(
	ctx context.Context, node codev1.CodeApplicationServiceClient, kit Kit, phone *device.Device, termsVersion string,
) (*Session, error) {
	identified, err := identify(ctx, node, kit)
	if err != nil {
		return nil, err
	}
	serial := channel.Serial("OPEN")
	proof, err := phone.Prove(&codev1.OpenAccountStatement{
		IdentificationId: identified.GetIdentificationId(),
		BizSerial:        serial,
		SignedTime:       timestamppb.Now(),
		DevicePublicKey:  phone.PublicKey(),
		TermsVersion:     termsVersion, // the holder has agreed to this version, on this device
	})
	if err != nil {
		return nil, err
	}
	opened, err := node.OpenAccount(ctx, &codev1.OpenAccountRequest{
		BizSerial: serial, Identification: identified, Proof: proof,
	})
	if channel.Reason(err) == "ALREADY_OPEN" {
		return bind(ctx, node, kit, phone)
	}
	if err != nil {
		return nil, err
	}
	return sessionOf(opened.GetSession(), phone), nil
}

// bind moves the account to this device: sessions of the old one end.
func bind(
	ctx context.Context, node codev1.CodeApplicationServiceClient, kit Kit, phone *device.Device,
) (*Session, error) {
	identified, err := identify(ctx, node, kit)
	if err != nil {
		return nil, err
	}
	serial := channel.Serial("BIND")
	proof, err := phone.Prove(&codev1.BindDeviceStatement{
		IdentificationId: identified.GetIdentificationId(),
		BizSerial:        serial,
		SignedTime:       timestamppb.Now(),
		DevicePublicKey:  phone.PublicKey(),
	})
	if err != nil {
		return nil, err
	}
	bound, err := node.BindDevice(ctx, &codev1.BindDeviceRequest{
		BizSerial: serial, Identification: identified, Proof: proof,
	})
	if err != nil {
		return nil, err
	}
	return sessionOf(bound.GetSession(), phone), nil
}

// identify runs one identity check: the node begins it, the kit answers, and the next call hands the answer back.
func identify(
	ctx context.Context, node codev1.CodeApplicationServiceClient, kit Kit,
) (*commonv1.Identification, error) {
	begun, err := node.BeginIdentification(ctx, &codev1.BeginIdentificationRequest{
		SubjectKind: commonv1.SubjectKind_SUBJECT_KIND_PERSON,
	})
	if err != nil {
		return nil, err
	}
	return answer(begun.GetIdentificationId(), kit)
}

func answer(identificationID string, kit Kit) (*commonv1.Identification, error) {
	blob, err := kit(identificationID)
	if err != nil {
		return nil, err
	}
	return &commonv1.Identification{IdentificationId: identificationID, ProviderBlob: blob}, nil
}

func sessionOf(session *codev1.Session, phone *device.Device) *Session {
	return &Session{
		Token: session.GetSessionToken(), ID: session.GetSessionId(), AccountID: session.GetAccountId(), Device: phone,
	}
}

// Present shows a code (亮码) on the holder's phone.
func (session *Session) Present(
	ctx context.Context, node codev1.CodeApplicationServiceClient, oneTime bool,
) (*codev1.IssuedCode, error) {
	presented, err := node.PresentCode(ctx, &codev1.PresentCodeRequest{
		BizSerial:    channel.Serial("PRESENT"),
		SessionToken: session.Token,
		TerminalType: codev1.TerminalType_TERMINAL_TYPE_APP,
		OneTime:      oneTime,
	})
	return presented.GetCode(), err
}
