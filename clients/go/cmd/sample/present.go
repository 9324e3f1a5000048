package main

import (
	"context"
	"fmt"

	"govcode.cn/go/counter"
	"govcode.cn/go/device"
	codev1 "govcode.cn/go/govcode/code/v1"
	commonv1 "govcode.cn/go/govcode/common/v1"
	"govcode.cn/go/holder"
)

// presentAndScan plays 6.1: a holder opens an account, presents a code, and the counter next door scans it.
func (all *cast) presentAndScan(ctx context.Context) (*holder.Session, error) {
	title("6.1 亮码与识读")
	phone, err := device.New()
	if err != nil {
		return nil, err
	}
	session, err := holder.Open(ctx, all.holderApp.codes, all.subject.Kit, phone, all.box.TermsVersion)
	if err != nil {
		return nil, err
	}
	say("the holder's phone signed for an account: device key %s", phone.KeyID())
	code, err := session.Present(ctx, all.holderApp.codes, true)
	if err != nil {
		return nil, err
	}
	say("one-time code of %d characters presented", len(code.GetCodeText()))
	first, err := all.scan(ctx, all.counter, code, commonv1.Outcome_OUTCOME_VALID)
	if err != nil {
		return nil, err
	}
	say("scanned at node %s: %s, and the node's signature holds", all.box.NodeID, words(first))
	second, err := all.scan(ctx, all.counter, code, commonv1.Outcome_OUTCOME_CONSUMED)
	if err != nil {
		return nil, err
	}
	say("scanned again: %s", words(second))
	records, err := all.holderApp.codes.ListRecords(ctx, &codev1.ListRecordsRequest{SessionToken: session.Token})
	if err != nil {
		return nil, err
	}
	if len(records.GetRecords()) < 2 {
		return nil, fmt.Errorf("the holder sees %d uses of the code, not both", len(records.GetRecords()))
	}
	say("the holder sees both uses: by %s", records.GetRecords()[0].GetRelyingPartyName())
	return session, nil
}

// scanAbroad plays 6.2: the same holder's code is scanned in another region, whose node asks the code's home node.
func (all *cast) scanAbroad(ctx context.Context, session *holder.Session) error {
	title("6.2 跨区域互认")
	code, err := session.Present(ctx, all.holderApp.codes, true)
	if err != nil {
		return err
	}
	answer, err := all.scan(ctx, all.abroad, code, commonv1.Outcome_OUTCOME_VALID)
	if err != nil {
		return err
	}
	if decided := answer.GetAnswer().GetDecidedByNodeId(); decided != all.box.NodeID {
		return fmt.Errorf("node %s decided, not the code's home node %s", decided, all.box.NodeID)
	}
	say("scanned at node %s: %s, decided by %s (%s); the signatures of both nodes hold",
		all.box.Peer.NodeID, words(answer), all.box.NodeID, answer.GetHomeRegionName())
	return nil
}

// scan scans a code, checks the evidence of the answer, and holds the outcome against what is expected.
func (all *cast) scan(
	ctx context.Context, at *side, code *codev1.IssuedCode, expected commonv1.Outcome,
) (*codev1.ScanCodeResponse, error) {
	answer, err := counter.Scan(ctx, at.codes, code.GetCodeText(), all.box.Scenes["counter"])
	if err != nil {
		return nil, err
	}
	signed, err := counter.CheckScan(answer, all.bundle)
	if err != nil {
		return nil, err
	}
	if signed.GetOutcome() != expected {
		return nil, fmt.Errorf("the outcome is %s, not %s", signed.GetOutcome(), expected)
	}
	// Only ACCEPT lets somebody in; a decision that this program does not know would not.
	accepted := signed.GetDecision() == commonv1.Decision_DECISION_ACCEPT
	if accepted != (expected == commonv1.Outcome_OUTCOME_VALID) {
		return nil, fmt.Errorf("the decision is %s for %s", signed.GetDecision(), expected)
	}
	return answer, nil
}

// words are those for the screen at the counter, with what the scene may see of the holder.
func words(answer *codev1.ScanCodeResponse) string {
	text := answer.GetVerdict().GetTextZh() + " " + answer.GetVerdict().GetTextEn()
	for _, field := range answer.GetAnswer().GetFields() {
		text += fmt.Sprintf(" %s=%s", field.GetName(), field.GetValue())
	}
	return text
}
