// Command verify-consent checks an exported authorization (ExportAuthorization, as JSON) without asking any node: it knows
// the file, a trust bundle, and the algorithms SM2 and SM3. It ends with 0 if the record of the holder's decision stands
// with all that belongs to it, with 1 if anything is amiss, and with 2 if it was called wrongly.
//
//	verify-consent -hub-key 04… authorization.json                 the file's own trust bundle, checked by the hub's key
//	verify-consent -bundle bundle.json authorization.json          another bundle, which the caller vouches for
//	verify-consent -bundle bundle.json -hub-key 04… authorization.json
package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"govcode.cn/go/consent"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	routingv1 "govcode.cn/go/govcode/routing/v1"
	"govcode.cn/go/trust"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// points is the hub's public points; a hub that changes its key has two for a while.
type points [][]byte

func (given *points) String() string { return "" }

func (given *points) Set(text string) error {
	point, err := hex.DecodeString(text)
	*given = append(*given, point)
	return err
}

func main() {
	var hub points
	flag.Var(&hub, "hub-key", "the hub's public point, 130 hexadecimal digits; may be given twice")
	bundleFile := flag.String("bundle", "", "a trust bundle that came by another way than the export; the export's own otherwise")
	flag.Parse()
	if flag.NArg() != 1 || (len(hub) == 0 && *bundleFile == "") {
		fmt.Fprintln(os.Stderr, "verify-consent: it takes one file, and -hub-key or -bundle: what else should be believed?")
		flag.Usage()
		os.Exit(2)
	}
	proved, err := run(os.Stdout, flag.Arg(0), *bundleFile, hub)
	if err != nil {
		fmt.Println("✗", err)
	}
	if !proved {
		fmt.Println("NOT PROVED 未能证明")
		os.Exit(1)
	}
}

func run(out io.Writer, exportFile, bundleFile string, hub points) (bool, error) {
	export, err := readExport(exportFile)
	if err != nil {
		return false, err
	}
	bundle, how, err := openBundle(export, bundleFile, hub)
	if err != nil {
		return false, err
	}
	report := consent.Verify(export, bundle)
	show(out, report)
	fmt.Fprintf(out, "✓ trust bundle of version %d, issued %s, %s\n",
		bundle.GetVersion(), bundle.GetIssueTime().AsTime().Format(time.RFC3339), how)
	for _, finding := range report.Findings {
		if finding.Fault != nil {
			fmt.Fprintf(out, "✗ %s: %v\n", finding.What, finding.Fault)
		} else {
			fmt.Fprintln(out, "✓", finding.What)
		}
	}
	if !report.Proved() {
		return false, nil
	}
	fmt.Fprintf(out, "PROVED 已证明: the holder's device signed %s; that the device key belonged to the holder is the word of node %s\n",
		stateWord(report.Record.GetDecision()), report.Record.GetHomeNodeId())
	return true, nil
}

func readExport(path string) (*authorizationv1.ExportAuthorizationResponse, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	export := &authorizationv1.ExportAuthorizationResponse{}
	// A newer node may have added fields around the evidence; what is proved lies in the payloads.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(content, export); err != nil {
		return nil, fmt.Errorf("%s is no exported authorization: %w", path, err)
	}
	return export, nil
}

// openBundle gives the bundle that decides whose signatures count, and says why it is believed.
func openBundle(
	export *authorizationv1.ExportAuthorizationResponse, file string, hub points,
) (*trust.Bundle, string, error) {
	signed := export.GetTrustBundle()
	if file != "" {
		var err error
		if signed, err = readBundle(file); err != nil {
			return nil, "", err
		}
	}
	if len(hub) > 0 {
		bundle, err := trust.Open(signed, hub...)
		return bundle, "signed by the given key of the hub", err
	}
	content := &routingv1.TrustBundle{}
	if err := proto.Unmarshal(signed.GetPayload(), content); err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	return &trust.Bundle{TrustBundle: content}, "taken on the caller's word: no key of the hub was given", nil
}

// readBundle reads what GetTrustBundle answers, as JSON, or the serialized evidence that a node keeps on disk.
func readBundle(path string) (*commonv1.Evidence, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	answer, bare := &routingv1.GetTrustBundleResponse{}, &commonv1.Evidence{}
	if protojson.Unmarshal(content, answer) == nil && answer.GetBundle() != nil {
		return answer.GetBundle(), nil
	}
	if protojson.Unmarshal(content, bare) == nil || proto.Unmarshal(content, bare) == nil {
		return bare, nil
	}
	return nil, errors.New(path + " is no trust bundle")
}

// show prints what the record says. What is not proved is not in the report.
func show(out io.Writer, report *consent.Report) {
	if request := report.Request; request != nil {
		fmt.Fprintf(out, "authorization  %s\nrecipient      %s (%s), application %s\nmatter         %s %s\npurpose        %s\n",
			request.GetAuthorizationId(), request.GetRelyingPartyName(), request.GetRelyingPartyUscc(), request.GetAppId(),
			request.GetMatterCode(), request.GetMatterName(), request.GetPurpose())
	}
	if record := report.Record; record != nil {
		fmt.Fprintf(out, "decided        %s by account %s at node %s: %s\n", record.GetDecideTime().AsTime().Format(time.RFC3339),
			record.GetDeciderAccountId(), record.GetHomeNodeId(), stateWord(record.GetDecision()))
		for _, item := range record.GetItems() {
			word := "refused"
			if item.GetGranted() {
				word = fmt.Sprintf("granted for %d uses until %s", record.GetMaxUses(), record.GetEndTime().AsTime().Format(time.RFC3339))
			}
			fmt.Fprintf(out, "item %-9d %s %s: %s\n", item.GetItem().GetItemNo(), item.GetItem().GetLicenseType(), contents(item.GetItem()), word)
		}
		fmt.Fprintf(out, "text shown     version %s\n%s\n", record.GetNoticeVersion(), indented(record.GetNoticeText()))
	}
}

func contents(item *authorizationv1.AuthorizationItem) string {
	names := item.GetFieldNames()
	if item.GetDocument() {
		names = append(names, "document")
	}
	return strings.Join(names, ", ")
}

func indented(text string) string {
	return "  | " + strings.ReplaceAll(text, "\n", "\n  | ")
}

func stateWord(state authorizationv1.AuthorizationState) string {
	return strings.TrimPrefix(state.String(), "AUTHORIZATION_STATE_")
}
