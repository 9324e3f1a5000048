package consent

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"govcode.cn/go/device"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"
)

// checkGrant checks that the grant gives what the holder gave, and no more.
func (report *Report) checkGrant(export *authorizationv1.ExportAuthorizationResponse, bundle *trust.Bundle) {
	granted := len(grantedItems(report.Record.GetItems())) > 0
	if export.GetGrant() == nil {
		if granted {
			report.add(errors.New("it is missing"), "the grant is signed by the holder's home node")
		}
		return
	}
	grant := &authorizationv1.Grant{}
	fault := evidence.Check(export.GetGrant(), evidence.Grant, bundle, grant)
	if fault == nil {
		fault = same("signer", export.GetGrant().GetNodeId(), report.Record.GetHomeNodeId())
	}
	if report.add(fault, "the grant is signed by the holder's home node") {
		report.add(grantFollows(grant, report.Record, report.Request, export.GetConsentRecord().GetPayload()),
			"the grant gives application %s what the holder gave, and no more", grant.GetAppId())
	}
}

func grantFollows(
	grant *authorizationv1.Grant, record *authorizationv1.ConsentRecord, request *authorizationv1.ConsentRequest,
	recordPayload []byte,
) error {
	if !bytes.Equal(grant.GetConsentDigest(), sm.Digest(recordPayload)) {
		return errors.New("it rests on another record")
	}
	for _, pair := range [][3]string{
		{"authorization", grant.GetAuthorizationId(), record.GetAuthorizationId()},
		{"home node", grant.GetHomeNodeId(), record.GetHomeNodeId()},
		{"visited node", grant.GetVisitedNodeId(), request.GetVisitedNodeId()},
		{"application", grant.GetAppId(), request.GetAppId()},
		{"recipient's number", grant.GetRelyingPartyUscc(), record.GetRelyingPartyUscc()},
		{"matter", grant.GetMatterCode(), record.GetMatterCode()},
		{"legal basis", grant.GetLegalBasis().String(), authorizationv1.LegalBasis_LEGAL_BASIS_CONSENT.String()},
	} {
		if err := same(pair[0], pair[1], pair[2]); err != nil {
			return err
		}
	}
	if grant.GetMaxUses() != record.GetMaxUses() || !grant.GetEndTime().AsTime().Equal(record.GetEndTime().AsTime()) {
		return errors.New("number of uses or end differ from the record")
	}
	longest := record.GetDecideTime().AsTime().Add(request.GetPeriod().AsDuration() + clockTolerance)
	if grant.GetEndTime().AsTime().After(longest) || grant.GetStartTime().AsTime().Before(request.GetRequestTime().AsTime().Add(-clockTolerance)) {
		return errors.New("it runs for longer than was asked for")
	}
	given, consented := grantedItems(grant.GetItems()), grantedItems(record.GetItems())
	if !slices.EqualFunc(given, consented, func(one, other *authorizationv1.DecidedItem) bool {
		return itemText(one.GetItem()) == itemText(other.GetItem()) && one.GetLicenseNodeId() == other.GetLicenseNodeId()
	}) {
		return errors.New("its items are not those that the holder granted")
	}
	return nil
}

// checkWithdrawal returns from when on no use may begin; zero where nothing was withdrawn.
func (report *Report) checkWithdrawal(
	export *authorizationv1.ExportAuthorizationResponse, bundle *trust.Bundle,
) time.Time {
	if export.GetWithdrawal() == nil {
		return time.Time{}
	}
	withdrawal := &authorizationv1.Withdrawal{}
	fault := evidence.Check(export.GetWithdrawal(), evidence.Withdrawal, bundle, withdrawal)
	if fault == nil {
		fault = errors.Join(
			same("signer", export.GetWithdrawal().GetNodeId(), report.Record.GetHomeNodeId()),
			same("authorization", withdrawal.GetAuthorizationId(), report.Record.GetAuthorizationId()),
		)
	}
	at := withdrawal.GetWithdrawTime().AsTime()
	if report.add(fault, "the withdrawal at %s is signed by the home node", at.Format(time.RFC3339)) &&
		withdrawal.GetReason() == "HOLDER" {
		report.add(withdrawnByHolder(withdrawal), "the withdrawal is signed by the holder's device")
	}
	return at
}

func withdrawnByHolder(withdrawal *authorizationv1.Withdrawal) error {
	statement := &authorizationv1.WithdrawAuthorizationStatement{}
	proof := withdrawal.GetHolderProof()
	if err := device.Check(proof, withdrawal.GetDevicePublicKey(), statement); err != nil {
		return err
	}
	return errors.Join(
		same("device key", proof.GetDeviceKeyId(), sm.KeyID(withdrawal.GetDevicePublicKey())),
		same("authorization", statement.GetAuthorizationId(), withdrawal.GetAuthorizationId()),
	)
}

// checkUses checks that each use lay within the grant: what, for which matter, when, how often.
func (report *Report) checkUses(
	export *authorizationv1.ExportAuthorizationResponse, bundle *trust.Bundle, withdrawn time.Time,
) {
	for _, signed := range export.GetUseRequests() {
		use := &authorizationv1.LicenseUseRequest{}
		fault := evidence.Check(signed, evidence.LicenseUse, bundle, use)
		if fault == nil {
			fault = report.useAllowed(signed, use, withdrawn)
		}
		report.add(fault, "use %s of item %d lies within the consent", use.GetBizSerial(), use.GetItemNo())
	}
	delivered := map[string]bool{}
	for _, signed := range export.GetDeliveries() {
		delivery := &authorizationv1.LicenseDelivery{}
		fault := evidence.Check(signed, evidence.LicenseDelivery, bundle, delivery)
		if fault == nil {
			fault = report.deliveryAllowed(signed, delivery)
		}
		report.add(fault, "delivery %s by node %s holds nothing but what was granted", delivery.GetUseId(), signed.GetNodeId())
		delivered[delivery.GetUseId()] = true
	}
	if most := int(report.Record.GetMaxUses()) * len(grantedItems(report.Record.GetItems())); len(delivered) > most {
		report.add(fmt.Errorf("%d deliveries where %d uses were granted", len(delivered), most), "no more uses than granted")
	}
}

func (report *Report) useAllowed(
	signed *commonv1.Evidence, use *authorizationv1.LicenseUseRequest, withdrawn time.Time,
) error {
	for _, pair := range [][3]string{
		{"signer", signed.GetNodeId(), report.Request.GetVisitedNodeId()},
		{"authorization", use.GetAuthorizationId(), report.Record.GetAuthorizationId()},
		{"application", use.GetAppId(), report.Request.GetAppId()},
		{"matter", use.GetMatterCode(), report.Record.GetMatterCode()},
	} {
		if err := same(pair[0], pair[1], pair[2]); err != nil {
			return err
		}
	}
	if report.granted(use.GetItemNo()) == nil {
		return errors.New("the item was not granted")
	}
	at := use.GetRequestTime().AsTime()
	if !withdrawn.IsZero() && at.After(withdrawn.Add(clockTolerance)) {
		return fmt.Errorf("it was asked for at %s, after the withdrawal", at.Format(time.RFC3339))
	}
	if at.After(report.Record.GetEndTime().AsTime().Add(clockTolerance)) ||
		at.Before(report.Record.GetDecideTime().AsTime().Add(-clockTolerance)) {
		return fmt.Errorf("it was asked for at %s, outside the time of the grant", at.Format(time.RFC3339))
	}
	return nil
}

func (report *Report) granted(itemNo uint32) *authorizationv1.DecidedItem {
	for _, item := range grantedItems(report.Record.GetItems()) {
		if item.GetItem().GetItemNo() == itemNo {
			return item
		}
	}
	return nil
}

// deliveryAllowed looks for a granted item that covers what was delivered.
func (report *Report) deliveryAllowed(signed *commonv1.Evidence, delivery *authorizationv1.LicenseDelivery) error {
	if err := errors.Join(
		same("signer", signed.GetNodeId(), delivery.GetLicenseNodeId()),
		same("authorization", delivery.GetAuthorizationId(), report.Record.GetAuthorizationId()),
	); err != nil {
		return err
	}
	for _, item := range grantedItems(report.Record.GetItems()) {
		covered := !delivery.GetDocument() || item.GetItem().GetDocument()
		for _, name := range delivery.GetFieldNames() {
			covered = covered && slices.Contains(item.GetItem().GetFieldNames(), name)
		}
		if place := item.GetLicenseNodeId(); covered && (place == "" || place == delivery.GetLicenseNodeId()) {
			return nil
		}
	}
	return errors.New("no granted item covers what was delivered")
}
