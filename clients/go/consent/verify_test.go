package consent_test

import (
	"encoding/binary"
	"testing"
	"time"

	"govcode.cn/go/consent"
	"govcode.cn/go/device"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	routingv1 "govcode.cn/go/govcode/routing/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	home, visited, holding = "420100", "310000", "110000"
	authorizationID        = "au_00000000000000000000000000000001"
	notice                 = "接收方：上海市政务服务中心\n办理事项：企业开办"
)

var decided = time.UnixMilli(1_796_083_200_000)

// file is an export in the making: what its messages say before anybody signs them.
type file struct {
	keys  map[string]*sm.PrivateKey
	phone *device.Device

	request    *authorizationv1.ConsentRequest
	statement  *authorizationv1.DecideAuthorizationStatement
	record     *authorizationv1.ConsentRecord
	grant      *authorizationv1.Grant
	withdrawal *authorizationv1.Withdrawal
	use        *authorizationv1.LicenseUseRequest
	delivery   *authorizationv1.LicenseDelivery
	bundle     *routingv1.TrustBundle

	// changed is called on the signed export, for changes after the signing.
	changed func(*authorizationv1.ExportAuthorizationResponse)
}

func newFile(t *testing.T) *file {
	t.Helper()
	made := &file{keys: map[string]*sm.PrivateKey{}, bundle: &routingv1.TrustBundle{Version: 7}}
	for _, node := range []string{home, visited, holding} {
		key := made.key(t)
		made.keys[node] = key
		made.bundle.Nodes = append(made.bundle.Nodes, &routingv1.NodeTrust{
			NodeId: node,
			Keys: []*routingv1.NodeKey{{
				KeyId: key.ID(), Purpose: routingv1.NodeKeyPurpose_NODE_KEY_PURPOSE_SIGN, PublicKey: key.Point(),
				StartTime: at(-24 * time.Hour),
			}},
		})
	}
	made.phone = device.FromKey(made.key(t))
	asked := []*authorizationv1.AuthorizationItem{
		{ItemNo: 1, LicenseType: "business-licence", FieldNames: []string{"entity_name", "uscc"}, Sensitive: true},
		{ItemNo: 2, LicenseType: "tax-certificate", Document: true},
	}
	decidedItems := []*authorizationv1.DecidedItem{
		{Item: asked[0], Granted: true, LicenseNodeId: holding}, {Item: asked[1]},
	}
	made.request = &authorizationv1.ConsentRequest{
		AuthorizationId: authorizationID, VisitedNodeId: visited, HomeNodeId: home, AppId: "counter-app",
		RelyingPartyName: "上海市政务服务中心", RelyingPartyUscc: "12310000MA9TEXT024", MatterCode: "QYKB", MatterName: "企业开办",
		Purpose: "核验", Items: asked, MaxUses: 3, Period: durationpb.New(time.Hour), RequestTime: at(-time.Minute),
		LegalBasis: authorizationv1.LegalBasis_LEGAL_BASIS_CONSENT,
	}
	made.statement = &authorizationv1.DecideAuthorizationStatement{
		SessionId: "0123456789abcdef", BizSerial: "D-1", SignedTime: at(-time.Second), AuthorizationId: authorizationID,
		NoticeVersion: "2026-11", NoticeHash: sm.Digest([]byte(notice)),
		Items: []*authorizationv1.ItemDecision{{ItemNo: 1, Granted: true, SensitiveConfirmed: true, LicenseNodeId: holding}},
	}
	made.record = &authorizationv1.ConsentRecord{
		AuthorizationId: authorizationID, HomeNodeId: home, AccountId: "ac_1", DeciderAccountId: "ac_1",
		RelyingPartyName: made.request.RelyingPartyName, RelyingPartyUscc: made.request.RelyingPartyUscc,
		MatterCode: "QYKB", Purpose: "核验", Items: decidedItems, MaxUses: 2, EndTime: at(time.Hour), DecideTime: at(0),
		Decision:      authorizationv1.AuthorizationState_AUTHORIZATION_STATE_GRANTED,
		NoticeVersion: "2026-11", NoticeText: notice, NoticeHash: sm.Digest([]byte(notice)),
	}
	made.grant = &authorizationv1.Grant{
		AuthorizationId: authorizationID, HomeNodeId: home, VisitedNodeId: visited, AppId: "counter-app",
		RelyingPartyUscc: made.request.RelyingPartyUscc, MatterCode: "QYKB", Items: decidedItems[:1], MaxUses: 2,
		StartTime: at(0), EndTime: at(time.Hour), LegalBasis: authorizationv1.LegalBasis_LEGAL_BASIS_CONSENT,
	}
	made.use = &authorizationv1.LicenseUseRequest{
		AuthorizationId: authorizationID, FromNodeId: visited, ToNodeId: home, AppId: "counter-app", BizSerial: "F-1",
		MatterCode: "QYKB", ItemNo: 1, RequestTime: at(time.Minute),
	}
	made.delivery = &authorizationv1.LicenseDelivery{
		UseId: "us_1", AuthorizationId: authorizationID, LicenseNodeId: holding, FieldNames: []string{"uscc"},
	}
	made.withdrawal = &authorizationv1.Withdrawal{
		AuthorizationId: authorizationID, HomeNodeId: home, WithdrawTime: at(10 * time.Minute), Reason: "HOLDER",
	}
	return made
}

func (made *file) key(t *testing.T) *sm.PrivateKey {
	t.Helper()
	key, err := sm.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func at(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(decided.Add(after)) }

// verify signs everything and has it checked.
func (made *file) verify(t *testing.T) *consent.Report {
	t.Helper()
	export := &authorizationv1.ExportAuthorizationResponse{}
	export.ConsentRequest = made.sign(t, visited, evidence.ConsentRequest, made.request)
	made.record.RequestDigest = sm.Digest(export.ConsentRequest.Payload)
	// The bytes of the rule, written out here a second time.
	bound := digestOfTexts("govcode-step-up-v1", made.record.RelyingPartyUscc, "2026-11", authorizationID,
		"1|business-licence|entity_name,uscc|0")
	made.record.StepUp = &authorizationv1.StepUp{Provider: "local", AssuranceLevel: 3, Digest: bound}
	if made.statement.StepUpDigest == nil {
		made.statement.StepUpDigest = bound
	}
	made.record.HolderProof = made.prove(t, made.statement)
	made.record.DevicePublicKey = made.phone.PublicKey()
	export.ConsentRecord = made.sign(t, home, evidence.Consent, made.record)
	made.grant.ConsentDigest = sm.Digest(export.ConsentRecord.Payload)
	export.Grant = made.sign(t, home, evidence.Grant, made.grant)
	export.UseRequests = []*commonv1.Evidence{made.sign(t, visited, evidence.LicenseUse, made.use)}
	export.Deliveries = []*commonv1.Evidence{made.sign(t, holding, evidence.LicenseDelivery, made.delivery)}
	made.withdrawal.HolderProof = made.prove(t, &authorizationv1.WithdrawAuthorizationStatement{
		AuthorizationId: authorizationID, SignedTime: made.withdrawal.WithdrawTime,
	})
	made.withdrawal.DevicePublicKey = made.phone.PublicKey()
	export.Withdrawal = made.sign(t, home, evidence.Withdrawal, made.withdrawal)
	if made.changed != nil {
		made.changed(export)
	}
	return consent.Verify(export, &trust.Bundle{TrustBundle: made.bundle})
}

func (made *file) prove(t *testing.T, statement proto.Message) *commonv1.HolderProof {
	t.Helper()
	proof, err := made.phone.Prove(statement)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func (made *file) sign(t *testing.T, node string, purpose evidence.Purpose, payload proto.Message) *commonv1.Evidence {
	t.Helper()
	data, err := proto.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	signed := &commonv1.Evidence{
		Payload: data, PayloadType: string(proto.MessageName(payload)), NodeId: node, KeyId: made.keys[node].ID(),
		SignedTime: at(0),
	}
	covered, err := evidence.SignedBytes(signed, purpose)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := made.keys[node].Sign(covered)
	if err != nil {
		t.Fatal(err)
	}
	signed.Proof = &commonv1.Evidence_Sm2Signature{Sm2Signature: signature}
	return signed
}

func digestOfTexts(texts ...string) []byte {
	var covered []byte
	for _, text := range texts {
		covered = binary.BigEndian.AppendUint32(covered, uint32(len(text)))
		covered = append(covered, text...)
	}
	return sm.Digest(covered)
}

func TestAWholeExportIsProved(t *testing.T) {
	report := newFile(t).verify(t)
	for _, finding := range report.Findings {
		if finding.Fault != nil {
			t.Errorf("%s: %v", finding.What, finding.Fault)
		}
	}
	if !report.Proved() || len(report.Findings) < 10 {
		t.Errorf("not proved, %d findings", len(report.Findings))
	}
}

func TestARefusalIsProvedToo(t *testing.T) {
	made := newFile(t)
	made.statement.Items[0].Granted = false
	made.record.Items[0].Granted = false
	made.record.Decision = authorizationv1.AuthorizationState_AUTHORIZATION_STATE_DENIED
	made.changed = func(export *authorizationv1.ExportAuthorizationResponse) {
		export.Grant, export.Withdrawal, export.UseRequests, export.Deliveries = nil, nil, nil, nil
	}
	if report := made.verify(t); !report.Proved() {
		t.Errorf("not proved: %v", report.Findings)
	}
}

// Each of these is signed properly by those whose word it would be, or changed after the signing; none may pass.
func TestAnythingAmissIsFound(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *file){
		"the text was another": func(_ *testing.T, f *file) { f.record.NoticeText += "。" },
		"text and hash were another than the device signed": func(_ *testing.T, f *file) {
			f.record.NoticeText = "另一份告知"
			f.record.NoticeHash = sm.Digest([]byte(f.record.NoticeText))
		},
		"the recipient was another":     func(_ *testing.T, f *file) { f.record.RelyingPartyUscc = "12310000MA9TEXT0XX" },
		"a field more than asked for":   func(_ *testing.T, f *file) { f.request.Items = f.request.Items[:1] },
		"more uses than asked for":      func(_ *testing.T, f *file) { f.record.MaxUses, f.grant.MaxUses = 9, 9 },
		"the device refused the item":   func(_ *testing.T, f *file) { f.statement.Items[0].Granted = false },
		"the device was silent on it":   func(_ *testing.T, f *file) { f.statement.Items = nil },
		"the device named another home": func(_ *testing.T, f *file) { f.statement.Items[0].LicenseNodeId = home },
		"the device signed for another authorization": func(_ *testing.T, f *file) {
			f.statement.AuthorizationId = "au_00000000000000000000000000000002"
		},
		"the device signed an hour ago":            func(_ *testing.T, f *file) { f.statement.SignedTime = at(-time.Hour) },
		"a sensitive item was not confirmed":       func(_ *testing.T, f *file) { f.statement.Items[0].SensitiveConfirmed = false },
		"the identity check was for another thing": func(_ *testing.T, f *file) { f.statement.StepUpDigest = sm.Digest(nil) },
		"another phone signed": func(t *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) {
				record := proto.CloneOf(f.record)
				record.DevicePublicKey = f.key(t).Point()
				export.ConsentRecord = f.sign(t, home, evidence.Consent, record)
			}
		},
		"the record was changed after the signing": func(_ *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) { export.ConsentRecord.Payload[9] ^= 1 }
		},
		"a node signed that is not the home": func(t *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) {
				export.ConsentRecord = f.sign(t, visited, evidence.Consent, f.record)
			}
		},
		"a grant signature offered as a consent's": func(t *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) {
				export.ConsentRecord = f.sign(t, home, evidence.Grant, f.record)
			}
		},
		"the grant is missing": func(_ *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) { export.Grant = nil }
		},
		"the grant gives the refused item too": func(_ *testing.T, f *file) {
			f.grant.Items = append(f.grant.Items[:1:1], &authorizationv1.DecidedItem{Item: f.request.Items[1], Granted: true})
		},
		"the grant is another application's": func(_ *testing.T, f *file) { f.grant.AppId = "clinic-app" },
		"the grant runs for a year": func(_ *testing.T, f *file) {
			f.grant.EndTime, f.record.EndTime = at(365*24*time.Hour), at(365*24*time.Hour)
		},
		"a use after the withdrawal":          func(_ *testing.T, f *file) { f.use.RequestTime = at(20 * time.Minute) },
		"a use of the refused item":           func(_ *testing.T, f *file) { f.use.ItemNo = 2 },
		"a use for another matter":            func(_ *testing.T, f *file) { f.use.MatterCode = "OTHER" },
		"a delivery of more than was granted": func(_ *testing.T, f *file) { f.delivery.FieldNames = []string{"phone"} },
		"a delivery of the refused document":  func(_ *testing.T, f *file) { f.delivery.Document = true },
		"the withdrawal is another's":         func(_ *testing.T, f *file) { f.withdrawal.AuthorizationId = "au_2" },
		"the home node's key was revoked": func(_ *testing.T, f *file) {
			f.bundle.RevokedKeys = []*routingv1.RevokedKey{{NodeId: home, KeyId: f.keys[home].ID(), RevokeTime: at(time.Hour)}}
		},
		"the home node's key had ended":        func(_ *testing.T, f *file) { f.bundle.Nodes[0].Keys[0].EndTime = at(-time.Hour) },
		"the home node's key was not yet used": func(_ *testing.T, f *file) { f.bundle.Nodes[0].Keys[0].StartTime = at(time.Hour) },
		"the home node is not in the bundle":   func(_ *testing.T, f *file) { f.bundle.Nodes = f.bundle.Nodes[1:] },
		"the key is one for sealing": func(_ *testing.T, f *file) {
			f.bundle.Nodes[0].Keys[0].Purpose = routingv1.NodeKeyPurpose_NODE_KEY_PURPOSE_ENCRYPT
		},
		"a statutory duty passed off as consent": func(_ *testing.T, f *file) {
			f.request.LegalBasis = authorizationv1.LegalBasis_LEGAL_BASIS_STATUTORY_DUTY
		},
		"nothing was decided": func(_ *testing.T, f *file) {
			f.changed = func(export *authorizationv1.ExportAuthorizationResponse) { export.ConsentRecord = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := newFile(t)
			spoil(t, made)
			if report := made.verify(t); report.Proved() {
				t.Error("it was proved")
			}
		})
	}
}
