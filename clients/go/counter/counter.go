// Package counter is the part of a relying party (用码方): it scans codes, and fetches and opens licences.
package counter

import (
	"context"
	"errors"
	"fmt"

	"govcode.cn/go/channel"
	"govcode.cn/go/evidence"
	codev1 "govcode.cn/go/govcode/code/v1"
	"govcode.cn/go/trust"
)

// Scan asks the node about a code that was read. The verdict is an answer also where it is a refusal.
func Scan(
	ctx context.Context, node codev1.CodeApplicationServiceClient, text string, scene uint32,
) (*codev1.ScanCodeResponse, error) {
	return node.ScanCode(ctx, &codev1.ScanCodeRequest{BizSerial: channel.Serial("SCAN"), CodeText: text, SceneNo: scene})
}

// CheckScan verifies the evidence of an answer and returns what was signed, which decides where the answer's parsed fields
// differ. A code of another region was decided by its home node, whose own signed answer comes along.
func CheckScan(answer *codev1.ScanCodeResponse, bundle *trust.Bundle) (*codev1.ScanAnswer, error) {
	signed := &codev1.ScanAnswer{}
	if err := evidence.Check(answer.GetEvidence(), evidence.ScanAnswer, bundle, signed); err != nil {
		return nil, err
	}
	if !signed.GetCrossRegion() {
		return signed, nil
	}
	if answer.GetHomeEvidence() == nil {
		return nil, errors.New("the home node's signed answer is missing")
	}
	if home := answer.GetHomeEvidence().GetNodeId(); home != signed.GetDecidedByNodeId() {
		return nil, fmt.Errorf("node %s signed, but the answer says that %s decided", home, signed.GetDecidedByNodeId())
	}
	payloadType := answer.GetHomeEvidence().GetPayloadType()
	return signed, evidence.Verify(answer.GetHomeEvidence(), evidence.RecognizeAnswer, payloadType, bundle)
}
