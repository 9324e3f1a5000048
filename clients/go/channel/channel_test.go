package channel

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	codev1 "govcode.cn/go/govcode/code/v1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// node answers ListEvents as the script says, with the keep-alive rules of a real node: a ping every 20 s is welcome also
// without calls, and faster ones end in GOAWAY.
type node struct {
	codev1.UnimplementedCodeApplicationServiceServer
	listener *bufconn.Listener
	dropped  atomic.Bool // whether the path is dead: what the client writes is lost
	dials    atomic.Int32
	script   func(context.Context, int) error
	calls    atomic.Int32
}

func (n *node) ListEvents(ctx context.Context, _ *codev1.ListEventsRequest) (*codev1.ListEventsResponse, error) {
	if err := n.script(ctx, int(n.calls.Add(1))); err != nil {
		return nil, err
	}
	return &codev1.ListEventsResponse{}, nil
}

// path is a connection that can lose what is written.
type path struct {
	net.Conn
	node *node
}

func (p path) Write(data []byte) (int, error) {
	if p.node.dropped.Load() {
		return len(data), nil
	}
	return p.Conn.Write(data)
}

// open starts a node and returns it with a channel to it.
func open(t *testing.T, script func(context.Context, int) error) (*node, *grpc.ClientConn) {
	t.Helper()
	identity, server := certificates(t)
	n := &node{listener: bufconn.Listen(1 << 20), script: script}
	serving := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(server)),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 20 * time.Second, PermitWithoutStream: true}),
	)
	codev1.RegisterCodeApplicationServiceServer(serving, n)
	go serving.Serve(n.listener)
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		if n.dials.Add(1); n.dropped.Load() {
			return nil, context.DeadlineExceeded
		}
		conn, err := n.listener.DialContext(ctx)
		return path{conn, n}, err
	}
	connection, err := Open("passthrough:///node", "node.test", identity, "scanner-1", grpc.WithContextDialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connection.Close()
		serving.Stop()
	})
	return n, connection
}

func ask(ctx context.Context, connection *grpc.ClientConn) error {
	_, err := codev1.NewCodeApplicationServiceClient(connection).ListEvents(ctx, &codev1.ListEventsRequest{})
	return err
}

func fine(context.Context, int) error { return nil }

func TestAConnectionStaysThroughTenMinutesWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, connection := open(t, fine)
		for range 2 {
			if err := ask(t.Context(), connection); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute) // of the test's own clock
		}
		if state := connection.GetState(); state != connectivity.Ready || n.dials.Load() != 1 {
			t.Errorf("it is %s after %d connections", state, n.dials.Load())
		}
	})
}

func TestADeadPathIsSeenWithinFortySecondsWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, connection := open(t, fine)
		if err := ask(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
		n.dropped.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		if !connection.WaitForStateChange(ctx, connectivity.Ready) {
			t.Error("the path still counts as good")
		}
	})
}

func TestACallThatTheNodeCouldNotTakeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, connection := open(t, func(_ context.Context, call int) error {
			if call < 3 {
				return status.Error(codes.Unavailable, "draining")
			}
			return nil
		})
		if err := ask(t.Context(), connection); err != nil || n.calls.Load() != 3 {
			t.Errorf("%v after %d calls", err, n.calls.Load())
		}
	})
}

func TestARefusalIsNotTriedAgainAndKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, connection := open(t, func(context.Context, int) error {
			refused, err := status.New(codes.FailedPrecondition, "no").WithDetails(
				&errdetails.ErrorInfo{Reason: "GRANT_WITHDRAWN", Domain: "govcode"})
			if err != nil {
				return err
			}
			return refused.Err()
		})
		err := ask(t.Context(), connection)
		if Reason(err) != "GRANT_WITHDRAWN" || n.calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, n.calls.Load())
		}
	})
}

func TestACallWithoutADeadlineGetsTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connection := open(t, func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		})
		began := time.Now()
		if err := ask(t.Context(), connection); status.Code(err) != codes.DeadlineExceeded || time.Since(began) != callTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestEachCallNamesItselfAndTheScanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var device, request []string
		_, connection := open(t, func(ctx context.Context, _ int) error {
			given, _ := metadata.FromIncomingContext(ctx)
			device, request = given["govcode-device-id"], given["govcode-request-id"]
			return nil
		})
		if err := ask(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
		if len(device) != 1 || device[0] != "scanner-1" || len(request) != 1 {
			t.Errorf("scanner %q, request %q", device, request)
		}
	})
}

func TestANodeOfAnotherNameIsNotBelieved(t *testing.T) {
	identity, server := certificates(t)
	n := &node{listener: bufconn.Listen(1 << 20), script: fine}
	serving := grpc.NewServer(grpc.Creds(credentials.NewTLS(server)))
	codev1.RegisterCodeApplicationServiceServer(serving, n)
	go serving.Serve(n.listener)
	defer serving.Stop()
	connection, err := Open("passthrough:///node", "other.test", identity, "",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return n.listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := ask(t.Context(), connection); status.Code(err) != codes.Unavailable || n.calls.Load() != 0 {
		t.Errorf("%v after %d calls", err, n.calls.Load())
	}
}

// certificates makes one certificate that serves as root, as the node's and as the caller's.
func certificates(t *testing.T) (Identity, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node.test"}, DNSNames: []string{"node.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	identity := Identity{
		CertificatePEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		PrivateKeyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
	identity.RootsPEM = identity.CertificatePEM
	pair, err := tls.X509KeyPair(identity.CertificatePEM, identity.PrivateKeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(identity.RootsPEM)
	return identity, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}
}
