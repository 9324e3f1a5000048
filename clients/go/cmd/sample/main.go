// Command sample plays clauses 6.1, 6.2 and 6.3 against a sandbox, from both sides: as the citizens' back end with a
// holder's phone, and as the systems of two counters. It ends with 1 if anything came out otherwise than it should.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"govcode.cn/go/channel"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	codev1 "govcode.cn/go/govcode/code/v1"
	"govcode.cn/go/sandbox"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// scanner is the id of the counters' scanner, which the node knows.
const scanner = "scanner"

func main() {
	file := flag.String("sandbox", os.Getenv("GOVCODE_SANDBOX"), "the sandbox's file")
	subject := flag.String("subject", "free_1", "key of the sandbox's subject to play")
	export := flag.String("export", "", "folder for the exported authorizations, for verify-consent; nowhere if empty")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := play(ctx, *file, *subject, *export); err != nil {
		fmt.Printf("  ✗ %v\n", explained(err))
		os.Exit(1)
	}
}

// cast is everybody who takes part.
type cast struct {
	box     *sandbox.Sandbox
	subject sandbox.Subject
	matter  *sandbox.Matter // the matter (事项) that the counter abroad handles now
	bundle  *trust.Bundle

	holderApp *side        // the citizens' back end, at home
	counter   *side        // a counter of the same region
	abroad    *side        // a counter of another region
	counterAt *sandbox.App // who the counter abroad is: owns the key to which licences are sealed
}

// side is an application with its stubs at its node.
type side struct {
	codes          codev1.CodeApplicationServiceClient
	authorizations authorizationv1.AuthorizationServiceClient
}

func play(ctx context.Context, file, subject, export string) error {
	all, closeAll, err := gather(ctx, file, subject)
	if err != nil {
		return err
	}
	defer closeAll()
	session, err := all.presentAndScan(ctx) // 6.1
	if err != nil {
		return err
	}
	if err := all.scanAbroad(ctx, session); err != nil { // 6.2
		return err
	}
	return all.openLicenses(ctx, session, export) // 6.3
}

// gather opens the channels and fetches the trust bundle, by which evidence is checked.
func gather(ctx context.Context, file, subject string) (*cast, func(), error) {
	box, err := sandbox.Read(file)
	if err != nil {
		return nil, nil, err
	}
	all := &cast{box: box, counterAt: &box.Peer.CounterApp}
	if all.subject, err = box.Subject(subject); err != nil {
		return nil, nil, err
	}
	var opened []*grpc.ClientConn
	closeAll := func() {
		for _, one := range opened {
			one.Close()
		}
	}
	for _, one := range []struct {
		side     **side
		node     sandbox.Node
		app      sandbox.App
		deviceID string
	}{
		{&all.holderApp, box.Node, box.HolderApp, ""},
		{&all.counter, box.Node, box.CounterApp, box.DeviceIDs[scanner]},
		{&all.abroad, box.Peer, box.Peer.CounterApp, box.DeviceIDs[scanner]},
	} {
		connection, err := box.Dial(one.node, one.app, one.deviceID)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		opened = append(opened, connection)
		*one.side = &side{
			codes:          codev1.NewCodeApplicationServiceClient(connection),
			authorizations: authorizationv1.NewAuthorizationServiceClient(connection),
		}
	}
	if all.bundle, err = box.Trust(ctx, opened[0]); err != nil {
		closeAll()
		return nil, nil, err
	}
	return all, closeAll, nil
}

// say prints a step that came out as it should.
func say(format string, values ...any) {
	fmt.Printf("  ✓ "+format+"\n", values...)
}

// title prints the name of a clause.
func title(text string) {
	fmt.Println(text)
}

// expect turns a call that was to be refused into an error where it was not, or was refused for another reason.
func expect(reason string, err error) error {
	if got := channel.Reason(err); got != reason {
		return fmt.Errorf("expected a refusal with %s, got %q (%w)", reason, got, errors.Join(err, errors.New("see above")))
	}
	return nil
}

// explained adds the node's reason, by which docs/errors.md says what helps.
func explained(err error) string {
	if reason := channel.Reason(err); reason != "" {
		return fmt.Sprintf("%s: %s", reason, status.Convert(err).Message())
	}
	return err.Error()
}

// licenseKey is the counter's SM2 key, to which licences are sealed.
func (all *cast) licenseKey() (*sm.PrivateKey, error) {
	return all.counterAt.Key()
}
