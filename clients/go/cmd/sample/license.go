package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"govcode.cn/go/channel"
	"govcode.cn/go/counter"
	"govcode.cn/go/evidence"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	codev1 "govcode.cn/go/govcode/code/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/holder"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
)

// openLicenses plays 6.3: a counter of another region asks for licences, the holder decides item by item, the counter
// fetches what was granted, and the holder takes it back. The second matter asks for a sensitive field.
func (all *cast) openLicenses(ctx context.Context, session *holder.Session, export string) error {
	title("6.3 授权调用电子证照")
	for _, key := range []string{"residence", "sensitive"} {
		var err error
		if all.matter, err = all.box.Matter(key); err != nil {
			return err
		}
		if err := all.openLicense(ctx, session, export); err != nil {
			return fmt.Errorf("matter %s: %w", key, err)
		}
	}
	return nil
}

func (all *cast) openLicense(ctx context.Context, session *holder.Session, export string) error {
	asked, err := all.ask(ctx, session)
	if err != nil {
		return err
	}
	if err := all.decide(ctx, session, asked); err != nil {
		return err
	}
	if err := all.fetch(ctx, asked); err != nil {
		return err
	}
	if err := all.takeBack(ctx, session, asked); err != nil {
		return err
	}
	return all.keep(ctx, session, asked, export)
}

// ask scans the holder's code abroad and asks for what is registered for the matter; the holder's back end hears of it.
func (all *cast) ask(ctx context.Context, session *holder.Session) (*authorizationv1.Authorization, error) {
	start, err := all.holderApp.codes.ListEvents(ctx, &codev1.ListEventsRequest{}) // a cursor from now on
	if err != nil {
		return nil, err
	}
	code, err := session.Present(ctx, all.holderApp.codes, true)
	if err != nil {
		return nil, err
	}
	scanned, err := all.scan(ctx, all.abroad, code, commonv1.Outcome_OUTCOME_VALID)
	if err != nil {
		return nil, err
	}
	answer, err := all.abroad.authorizations.RequestAuthorization(ctx, &authorizationv1.RequestAuthorizationRequest{
		BizSerial:     channel.Serial("ASK"),
		ScanId:        scanned.GetAnswer().GetScanId(),
		MatterCode:    all.matter.Code,
		Purpose:       "核验申请人资格",
		HandlingMeans: "核验后不留存",
		Items:         all.matter.Ask(),
		MaxUses:       2,
		Period:        durationpb.New(time.Hour),
	})
	if err != nil {
		return nil, err
	}
	asked := answer.GetAuthorization()
	say("%s: the counter at %s asks for %s", asked.GetMatterName(), all.box.Peer.NodeID, names(asked.GetItems()))
	return asked, all.hear(ctx, start.GetCursor(), asked.GetAuthorizationId())
}

// hear waits for the event that tells the holder's back end of the request: there it would wake the holder's phone.
func (all *cast) hear(ctx context.Context, cursor, authorizationID string) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
		page, err := all.holderApp.codes.ListEvents(waiting, &codev1.ListEventsRequest{
			Cursor: cursor, Wait: durationpb.New(20 * time.Second),
		})
		cancel()
		if err != nil {
			return err
		}
		for _, event := range page.GetEvents() {
			if event.GetAuthorizationRequested().GetAuthorizationId() == authorizationID {
				say("the holder's back end heard of it: %s asks", event.GetAuthorizationRequested().GetRelyingPartyName())
				return nil
			}
		}
		if len(page.GetEvents()) == 0 {
			return fmt.Errorf("no event told the holder's back end of %s", authorizationID)
		}
		cursor = page.GetCursor()
	}
}

// decide shows the consent page, lets the holder grant the first item and refuse the others, and sends the decision.
func (all *cast) decide(ctx context.Context, session *holder.Session, asked *authorizationv1.Authorization) error {
	node := all.holderApp.authorizations
	shown, err := node.GetAuthorization(ctx, &authorizationv1.GetAuthorizationRequest{
		AuthorizationId: asked.GetAuthorizationId(), SessionToken: session.Token,
	})
	if err != nil {
		return err
	}
	say("consent page %s, %d characters", shown.GetPage().GetNoticeVersion(), len([]rune(shown.GetPage().GetNoticeText())))
	located, err := node.LocateLicenses(ctx, &authorizationv1.LocateLicensesRequest{
		AuthorizationId: asked.GetAuthorizationId(), SessionToken: session.Token,
	})
	if err != nil {
		return err
	}
	choices := map[uint32]holder.Choice{}
	for _, place := range located.GetPlaces() {
		if _, chosen := choices[place.GetItemNo()]; !chosen && place.GetItemNo() == grantedItem {
			choices[grantedItem] = holder.Choice{Granted: true, Confirmed: true, Place: place.GetLicenseNodeId()}
			say("%s is held at node %s: %s", place.GetLicenseType(), place.GetLicenseNodeId(), place.GetMaskedNumber())
		}
	}
	if len(choices) == 0 {
		return fmt.Errorf("the licence of item %d was found nowhere", grantedItem)
	}
	decided, err := session.Decide(ctx, node, all.subject.Kit, shown.GetAuthorization(), shown.GetPage(), choices)
	if err != nil {
		return err
	}
	record := &authorizationv1.ConsentRecord{}
	if err := evidence.Check(decided.GetConsent(), evidence.Consent, all.bundle, record); err != nil {
		return err
	}
	say("item %d of %d granted, signed by the phone%s", grantedItem, len(record.GetItems()), stepUpWord(record))
	return nil
}

// grantedItem is the item that the holder of this sample grants.
const grantedItem = 1

// fetch waits for the grant and fetches the licence, sealed to the counter's key.
func (all *cast) fetch(ctx context.Context, asked *authorizationv1.Authorization) error {
	node := all.abroad.authorizations
	waited, err := node.WaitAuthorization(ctx, &authorizationv1.WaitAuthorizationRequest{
		AuthorizationId: asked.GetAuthorizationId(), Wait: durationpb.New(5 * time.Second),
	})
	if err != nil {
		return err
	}
	grant := &authorizationv1.Grant{}
	if err := evidence.Check(waited.GetGrant(), evidence.Grant, all.bundle, grant); err != nil {
		return err
	}
	say("the counter holds a grant of %d uses, signed by %s", grant.GetMaxUses(), waited.GetGrant().GetNodeId())
	key, err := all.licenseKey()
	if err != nil {
		return err
	}
	var document bytes.Buffer
	license, err := counter.Fetch(ctx, node, all.wanted(asked), key, all.bundle, &document)
	if err != nil {
		return err
	}
	say("licence opened with the counter's SM2 key: %s; uses left: %d", shown(license.Content, document.Len()), license.RemainingUses)
	return nil
}

// wanted names the granted licence, for a use of its own.
func (all *cast) wanted(asked *authorizationv1.Authorization) *authorizationv1.FetchLicenseRequest {
	return &authorizationv1.FetchLicenseRequest{
		BizSerial:       channel.Serial("FETCH"),
		AuthorizationId: asked.GetAuthorizationId(),
		ItemNo:          grantedItem,
		MatterCode:      all.matter.Code,
	}
}

// takeBack lists the uses as the holder sees them and withdraws: the next use is refused, though one was left.
func (all *cast) takeBack(ctx context.Context, session *holder.Session, asked *authorizationv1.Authorization) error {
	node := all.holderApp.authorizations
	uses, err := node.ListLicenseUses(ctx, &authorizationv1.ListLicenseUsesRequest{
		SessionToken: session.Token, AuthorizationId: asked.GetAuthorizationId(),
	})
	if err != nil {
		return err
	}
	if len(uses.GetUses()) != 1 {
		return fmt.Errorf("the holder sees %d uses, not one", len(uses.GetUses()))
	}
	say("the holder sees one use by %s: %s", uses.GetUses()[0].GetRelyingPartyName(), uses.GetUses()[0].GetState())
	withdrawn, err := session.Withdraw(ctx, node, asked.GetAuthorizationId())
	if err != nil {
		return err
	}
	say("withdrawn by the phone's signature: %s", withdrawn.GetState())
	key, err := all.licenseKey()
	if err != nil {
		return err
	}
	_, err = counter.Fetch(ctx, all.abroad.authorizations, all.wanted(asked), key, all.bundle, io.Discard)
	if err := expect("GRANT_WITHDRAWN", err); err != nil {
		return err
	}
	say("the counter's next use is refused: GRANT_WITHDRAWN")
	return nil
}

// keep exports all evidence, as the holder would for a court, into a folder.
func (all *cast) keep(
	ctx context.Context, session *holder.Session, asked *authorizationv1.Authorization, folder string,
) error {
	exported, err := all.holderApp.authorizations.ExportAuthorization(ctx, &authorizationv1.ExportAuthorizationRequest{
		SessionToken: session.Token, AuthorizationId: asked.GetAuthorizationId(),
	})
	if err != nil {
		return err
	}
	text, err := protojson.MarshalOptions{Multiline: true}.Marshal(exported)
	if err != nil {
		return err
	}
	say("all evidence exported: %d bytes, for verify-consent", len(text))
	if folder == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(folder, all.matter.Code+".json"), text, 0o600)
}

func names(items []*authorizationv1.AuthorizationItem) string {
	var named []string
	for _, item := range items {
		named = append(named, item.GetLicenseType())
	}
	return strings.Join(named, ", ")
}

func stepUpWord(record *authorizationv1.ConsentRecord) string {
	if record.GetStepUp() == nil {
		return ""
	}
	return fmt.Sprintf(", after a stronger identity check by %s", record.GetStepUp().GetProvider())
}

// shown is what the counter's screen shows of a licence.
func shown(content *authorizationv1.LicenseContent, documentSize int) string {
	text := content.GetLicenseType()
	for _, field := range content.GetFields() {
		text += fmt.Sprintf(" %s=%s", field.GetName(), field.GetValue())
	}
	if documentSize > 0 {
		text += fmt.Sprintf(", %d bytes of %s", documentSize, content.GetDocumentFormat())
	}
	return text
}
