// Package consent checks an exported authorization as a third party does, years later and without asking anybody: from the
// file, a trust bundle, and the algorithms SM2 and SM3 alone.
package consent

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"govcode.cn/go/device"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"
)

const (
	// signingTolerance is how far a device's clock may be off; nodes refuse more.
	signingTolerance = 5 * time.Minute
	// clockTolerance is how far the clocks of two nodes may be apart.
	clockTolerance = time.Minute
)

// Finding is one thing that was looked at, and what is wrong with it.
type Finding struct {
	What  string
	Fault error
}

// Report is all that was found. Request and Record are nil where their proof does not hold: nothing of what is not proved
// is shown.
type Report struct {
	Request  *authorizationv1.ConsentRequest
	Record   *authorizationv1.ConsentRecord
	Findings []Finding
}

// Proved tells whether the record of a decision stands, with everything that belongs to it.
func (report *Report) Proved() bool {
	for _, finding := range report.Findings {
		if finding.Fault != nil {
			return false
		}
	}
	return report.Record != nil
}

func (report *Report) add(fault error, what string, values ...any) bool {
	report.Findings = append(report.Findings, Finding{fmt.Sprintf(what, values...), fault})
	return fault == nil
}

// Verify checks an export. A trust bundle that was checked against the hub's key says whose signatures count.
func Verify(export *authorizationv1.ExportAuthorizationResponse, bundle *trust.Bundle) *Report {
	report := &Report{}
	request := &authorizationv1.ConsentRequest{}
	fault := evidence.Check(export.GetConsentRequest(), evidence.ConsentRequest, bundle, request)
	if fault == nil {
		fault = same("signer", export.GetConsentRequest().GetNodeId(), request.GetVisitedNodeId())
	}
	if !report.add(fault, "the request is signed by the node of the relying party") {
		return report
	}
	report.Request = request
	if !report.checkBasis(export) {
		return report
	}
	record := &authorizationv1.ConsentRecord{}
	fault = evidence.Check(export.GetConsentRecord(), evidence.Consent, bundle, record)
	if fault == nil {
		fault = same("signer", export.GetConsentRecord().GetNodeId(), record.GetHomeNodeId())
	}
	if !report.add(fault, "the record of the decision is signed by the holder's home node") {
		return report
	}
	report.Record = record
	report.add(recordAnswersRequest(record, request, export.GetConsentRequest().GetPayload()),
		"the record is about this request: same recipient, matter, purpose, items")
	report.checkHolder(record)
	report.checkGrant(export, bundle)
	withdrawn := report.checkWithdrawal(export, bundle)
	report.checkUses(export, bundle, withdrawn)
	return report
}

// checkBasis refuses what was never consented to: a statutory duty is a reason of its own and no consent.
func (report *Report) checkBasis(export *authorizationv1.ExportAuthorizationResponse) bool {
	if report.Request.GetLegalBasis() == authorizationv1.LegalBasis_LEGAL_BASIS_STATUTORY_DUTY {
		duty := report.Request.GetStatutoryDuty()
		return report.add(fmt.Errorf("it rests on a statutory duty, which is no consent: %s, approved by %s",
			duty.GetStatute(), duty.GetApprovalReference()), "the request asks for consent")
	}
	if export.GetConsentRecord() == nil {
		return report.add(errors.New("the file holds no decision"), "the holder decided")
	}
	return true
}

func recordAnswersRequest(
	record *authorizationv1.ConsentRecord, request *authorizationv1.ConsentRequest, requestPayload []byte,
) error {
	if !bytes.Equal(record.GetRequestDigest(), sm.Digest(requestPayload)) {
		return errors.New("it names another request")
	}
	for _, pair := range [][3]string{
		{"authorization", record.GetAuthorizationId(), request.GetAuthorizationId()},
		{"home node", record.GetHomeNodeId(), request.GetHomeNodeId()},
		{"recipient", record.GetRelyingPartyName(), request.GetRelyingPartyName()},
		{"recipient's number", record.GetRelyingPartyUscc(), request.GetRelyingPartyUscc()},
		{"matter", record.GetMatterCode(), request.GetMatterCode()},
		{"purpose", record.GetPurpose(), request.GetPurpose()},
	} {
		if err := same(pair[0], pair[1], pair[2]); err != nil {
			return err
		}
	}
	if record.GetMaxUses() > request.GetMaxUses() {
		return fmt.Errorf("it allows %d uses where %d were asked for", record.GetMaxUses(), request.GetMaxUses())
	}
	asked := map[uint32]string{}
	for _, item := range request.GetItems() {
		asked[item.GetItemNo()] = itemText(item)
	}
	if len(asked) != len(record.GetItems()) {
		return errors.New("it has another number of items")
	}
	for _, item := range record.GetItems() {
		if asked[item.GetItem().GetItemNo()] != itemText(item.GetItem()) {
			return fmt.Errorf("its item %d is not what was asked for", item.GetItem().GetItemNo())
		}
	}
	return nil
}

// checkHolder checks what the holder was shown and what the holder's device signed.
func (report *Report) checkHolder(record *authorizationv1.ConsentRecord) {
	report.add(digestOf(record.GetNoticeText(), record.GetNoticeHash()),
		"the text of version %s is the one whose SM3 is in the record", record.GetNoticeVersion())
	proof, statement := record.GetHolderProof(), &authorizationv1.DecideAuthorizationStatement{}
	fault := device.Check(proof, record.GetDevicePublicKey(), statement)
	if fault == nil {
		fault = same("device key", proof.GetDeviceKeyId(), sm.KeyID(record.GetDevicePublicKey()))
	}
	if !report.add(fault, "the decision is signed by the holder's device, key %s", proof.GetDeviceKeyId()) {
		return
	}
	report.add(statementAgrees(statement, record), "what the device signed is what the record says: text, items, time")
	if sensitive := sensitiveItems(record); len(sensitive) > 0 {
		report.add(sensitiveConfirmed(statement, record, sensitive),
			"sensitive items were confirmed one by one, with a stronger identity check bound to this decision")
	}
	decision := authorizationv1.AuthorizationState_AUTHORIZATION_STATE_DENIED
	if len(grantedItems(record.GetItems())) > 0 {
		decision = authorizationv1.AuthorizationState_AUTHORIZATION_STATE_GRANTED
	}
	report.add(same("decision", record.GetDecision().String(), decision.String()), "the decision follows from the items")
}

func digestOf(text string, digest []byte) error {
	if text == "" || !bytes.Equal(sm.Digest([]byte(text)), digest) {
		return errors.New("it is another text")
	}
	return nil
}

func statementAgrees(
	statement *authorizationv1.DecideAuthorizationStatement, record *authorizationv1.ConsentRecord,
) error {
	if !bytes.Equal(statement.GetNoticeHash(), record.GetNoticeHash()) {
		return errors.New("the device signed another text")
	}
	for _, pair := range [][3]string{
		{"authorization", statement.GetAuthorizationId(), record.GetAuthorizationId()},
		{"version of the text", statement.GetNoticeVersion(), record.GetNoticeVersion()},
		{"mandate", statement.GetMandateId(), record.GetMandateId()},
	} {
		if err := same(pair[0], pair[1], pair[2]); err != nil {
			return err
		}
	}
	if apart := statement.GetSignedTime().AsTime().Sub(record.GetDecideTime().AsTime()).Abs(); apart > signingTolerance {
		return fmt.Errorf("device and node state times that are %s apart", apart)
	}
	decisions := decisionsOf(statement)
	for _, item := range record.GetItems() {
		signed := decisions[item.GetItem().GetItemNo()] // an item that is not named is refused
		if signed.GetGranted() != item.GetGranted() {
			return fmt.Errorf("the device decided otherwise on item %d", item.GetItem().GetItemNo())
		}
		if place := signed.GetLicenseNodeId(); item.GetGranted() && place != "" && place != item.GetLicenseNodeId() {
			return fmt.Errorf("the device named another place for item %d", item.GetItem().GetItemNo())
		}
	}
	return nil
}

// sensitiveItems are the granted items that the home node's catalogue calls sensitive (敏感个人信息).
func sensitiveItems(record *authorizationv1.ConsentRecord) []uint32 {
	var sensitive []uint32
	for _, item := range grantedItems(record.GetItems()) {
		if item.GetItem().GetSensitive() {
			sensitive = append(sensitive, item.GetItem().GetItemNo())
		}
	}
	return sensitive
}

// sensitiveConfirmed holds each sensitive item that was granted against a confirmation of its own and the stronger check,
// which is bound to recipient, items, text and authorization.
func sensitiveConfirmed(
	statement *authorizationv1.DecideAuthorizationStatement, record *authorizationv1.ConsentRecord, sensitive []uint32,
) error {
	decisions := decisionsOf(statement)
	for _, itemNo := range sensitive {
		if !decisions[itemNo].GetSensitiveConfirmed() {
			return fmt.Errorf("item %d was not confirmed by itself", itemNo)
		}
	}
	if record.GetStepUp() == nil {
		return errors.New("there was no stronger identity check")
	}
	bound := stepUpDigest(record)
	if !bytes.Equal(record.GetStepUp().GetDigest(), bound) || !bytes.Equal(statement.GetStepUpDigest(), bound) {
		return errors.New("the identity check was made for something else")
	}
	return nil
}

func decisionsOf(statement *authorizationv1.DecideAuthorizationStatement) map[uint32]*authorizationv1.ItemDecision {
	decisions := map[uint32]*authorizationv1.ItemDecision{}
	for _, decision := range statement.GetItems() {
		decisions[decision.GetItemNo()] = decision
	}
	return decisions
}

func same(what, one, other string) error {
	if one != other {
		return fmt.Errorf("the %s is %q in one place and %q in another", what, one, other)
	}
	return nil
}
