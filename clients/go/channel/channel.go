// Package channel opens a connection to a node with the arguments that every client of a node should have.
package channel

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Identity says which application calls, and whose certificates it believes; PEM.
type Identity struct {
	CertificatePEM []byte
	PrivateKeyPEM  []byte
	RootsPEM       []byte
}

// callTimeout is the deadline of a unary call that brings no own.
const callTimeout = 10 * time.Second

// keepAlive pings after 20 s of silence, also while no call is under way, and gives the path up when no answer comes
// within 10 s: a dead path is found before the next scan needs it. Nodes allow this pace; a faster one ends in GOAWAY.
var keepAlive = keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}

// serviceConfig repeats a call that did not reach a node or that the node could not take. It is harmless because every act
// has a serial, by which the node does it once. A delay that the server asks for (grpc-retry-pushback-ms) is kept; the
// throttle ends the repeating while half of all calls fail, so that a node in trouble does not get four times the load.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2}
}`

// Open makes a channel to a node; it connects at its first call and again whenever the connection is lost.
//
// serverName must stand in the node's certificate; where it is empty, the host of the target must. deviceID names the
// scanner, for applications that scan; empty otherwise. Further options come after those that are set here.
func Open(
	target, serverName string, identity Identity, deviceID string, further ...grpc.DialOption,
) (*grpc.ClientConn, error) {
	certificate, err := tls.X509KeyPair(identity.CertificatePEM, identity.PrivateKeyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(identity.RootsPEM) {
		return nil, errors.New("there is no root certificate")
	}
	transport := credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate}, // mutual TLS: the node learns from it which application calls
		RootCAs:      roots,
		ServerName:   serverName,
	})
	return grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepAlive),
		grpc.WithIdleTimeout(0), // stay connected: otherwise grpc-go hangs up after half an hour without calls
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // nothing from DNS
		grpc.WithNoProxy(),
		grpc.WithChainUnaryInterceptor(unary(deviceID)),
		grpc.WithChainStreamInterceptor(stream(deviceID)),
	}, further...)...)
}

func unary(deviceID string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		if _, given := ctx.Deadline(); !given {
			limited, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			ctx = limited
		}
		return invoke(withMetadata(ctx, deviceID), method, request, answer, connection, options...)
	}
}

// stream sets no deadline: WatchEvents goes on without end, and keep-alive finds a dead path.
func stream(deviceID string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
		open grpc.Streamer, options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return open(withMetadata(ctx, deviceID), description, connection, method, options...)
	}
}

// withMetadata adds a request id, which comes back in the answer and stands in the node's log, and the scanner's id.
func withMetadata(ctx context.Context, deviceID string) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, "govcode-request-id", random())
	if deviceID != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "govcode-device-id", deviceID)
	}
	return ctx
}

// Serial makes a serial (业务流水号) for one act. Keep it until the act is answered: the same request with the same serial
// is done once and answered the same.
func Serial(act string) string {
	return fmt.Sprintf("%s-%s", act, random())
}

func random() string {
	bits := make([]byte, 16)
	rand.Read(bits) // never fails: it ends the program instead
	return hex.EncodeToString(bits)
}

// Reason is the reason of a refusal, a name of govcode.error.v1.ErrorReason without its prefix; empty where the error is
// not a node's.
func Reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "govcode" {
			return info.GetReason()
		}
	}
	return ""
}
