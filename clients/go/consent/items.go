package consent

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	"govcode.cn/go/sm"
)

// stepUpTag begins what a stronger identity check is bound to.
const stepUpTag = "govcode-step-up-v1"

// itemText writes an item so that two are equal if and only if they ask for the same.
func itemText(item *authorizationv1.AuthorizationItem) string {
	document := 0
	if item.GetDocument() {
		document = 1
	}
	return fmt.Sprintf("%d|%s|%s|%d",
		item.GetItemNo(), item.GetLicenseType(), strings.Join(item.GetFieldNames(), ","), document)
}

func grantedItems(items []*authorizationv1.DecidedItem) []*authorizationv1.DecidedItem {
	var granted []*authorizationv1.DecidedItem
	for _, item := range items {
		if item.GetGranted() {
			granted = append(granted, item)
		}
	}
	slices.SortFunc(granted, func(one, other *authorizationv1.DecidedItem) int {
		return cmp.Compare(one.GetItem().GetItemNo(), other.GetItem().GetItemNo())
	})
	return granted
}

// stepUpDigest is SM3 over recipient, text version, authorization and the granted items, each with its length.
func stepUpDigest(record *authorizationv1.ConsentRecord) []byte {
	parts := []string{
		stepUpTag, record.GetRelyingPartyUscc(), record.GetNoticeVersion(), record.GetAuthorizationId(),
	}
	for _, item := range grantedItems(record.GetItems()) {
		parts = append(parts, itemText(item.GetItem()))
	}
	var covered []byte
	for _, part := range parts {
		covered = binary.BigEndian.AppendUint32(covered, uint32(len(part)))
		covered = append(covered, part...)
	}
	return sm.Digest(covered)
}
