// Package sandbox reads the file that `govcode sandbox` writes: where its nodes are, who may call them, and whom it knows.
package sandbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"govcode.cn/go/channel"
	authorizationv1 "govcode.cn/go/govcode/authorization/v1"
	routingv1 "govcode.cn/go/govcode/routing/v1"
	"govcode.cn/go/sm"
	"govcode.cn/go/trust"

	"google.golang.org/grpc"
)

// Sandbox is the file's content.
type Sandbox struct {
	Node                            // the home node
	RootsPEM     string             `json:"roots_pem"`
	Peer         Node               `json:"peer"` // the node of another region
	Hub          Hub                `json:"hub"`
	Scenes       map[string]uint32  `json:"scenes"`
	DeviceIDs    map[string]string  `json:"device_ids"`
	PlacedCodes  map[string]string  `json:"placed_codes"` // texts of codes that lie ready
	Subjects     []Subject          `json:"subjects"`
	TermsVersion string             `json:"terms_version"`
	Matters      map[string]*Matter `json:"matters"`
}

// Node is a node with the applications that are registered at it.
type Node struct {
	Target     string `json:"target"`
	ServerName string `json:"server_name"`
	NodeID     string `json:"node_id"`
	HolderApp  App    `json:"holder_app"`  // the back end of an application for citizens
	CounterApp App    `json:"counter_app"` // the system of a counter
}

// App is an application's certificate and, for a counter, the key to which licences are sealed.
type App struct {
	AppID          string `json:"app_id"`
	CertificatePEM string `json:"certificate_pem"`
	PrivateKeyPEM  string `json:"private_key_pem"`
	EncryptionKey  string `json:"encryption_private_key_hex"`
}

// Hub is the hub with its pinned key, by which the trust bundle is checked.
type Hub struct {
	NodeID    string `json:"node_id"`
	PublicKey string `json:"public_key_hex"`
}

// Subject is an invented person or company.
type Subject struct {
	Key      string `json:"key"`
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	Secret   string `json:"secret"`
	USCC     string `json:"uscc"`
}

// Matter is what the counters' applications may ask for in one matter (事项).
type Matter struct {
	Code  string       `json:"matter_code"`
	Items []MatterItem `json:"items"`
}

// MatterItem is a licence type with the fields that may be asked for.
type MatterItem struct {
	LicenseType string   `json:"license_type"`
	FieldNames  []string `json:"field_names"`
	Document    bool     `json:"document"`
}

// Ask asks for everything that is registered for the matter.
func (matter *Matter) Ask() []*authorizationv1.AuthorizationItem {
	var asked []*authorizationv1.AuthorizationItem
	for _, item := range matter.Items {
		asked = append(asked, &authorizationv1.AuthorizationItem{
			LicenseType: item.LicenseType, FieldNames: item.FieldNames, Document: item.Document,
		})
	}
	return asked
}

// Read reads the file.
func Read(path string) (*Sandbox, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := &Sandbox{}
	if err := json.Unmarshal(content, read); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return read, nil
}

// Must gives the value, and ends a program that only tries something out where there is an error in its place.
func Must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// Trust asks a node for the trust bundle and checks it by the hub's key, not by the node's word.
func (sandbox *Sandbox) Trust(ctx context.Context, node grpc.ClientConnInterface) (*trust.Bundle, error) {
	answer, err := routingv1.NewCodeRoutingServiceClient(node).GetTrustBundle(ctx, &routingv1.GetTrustBundleRequest{})
	if err != nil {
		return nil, err
	}
	hub, err := sandbox.Hub.Point()
	if err != nil {
		return nil, err
	}
	return trust.Open(answer.GetBundle(), hub)
}

// Dial opens a channel to a node as an application; deviceID names the scanner where the application scans.
func (sandbox *Sandbox) Dial(node Node, app App, deviceID string) (*grpc.ClientConn, error) {
	return channel.Open(node.Target, node.ServerName, channel.Identity{
		CertificatePEM: []byte(app.CertificatePEM),
		PrivateKeyPEM:  []byte(app.PrivateKeyPEM),
		RootsPEM:       []byte(sandbox.RootsPEM),
	}, deviceID)
}

// Subject finds an invented person by the key that the sandbox gives it.
func (sandbox *Sandbox) Subject(key string) (Subject, error) {
	for _, subject := range sandbox.Subjects {
		if subject.Key == key {
			return subject, nil
		}
	}
	return Subject{}, fmt.Errorf("the sandbox has no subject %s", key)
}

// Matter finds a matter by the key that the sandbox gives it.
func (sandbox *Sandbox) Matter(key string) (*Matter, error) {
	if matter := sandbox.Matters[key]; matter != nil {
		return matter, nil
	}
	return nil, fmt.Errorf("the sandbox has no matter %s", key)
}

// Kit does what the device kit (鉴别控件) of the sandbox's identity provider does: it answers for a person. A real kit takes
// a face or reads a card and seals the result for its provider; neither back end nor node reads it.
func (subject Subject) Kit(identificationID string) ([]byte, error) {
	return json.Marshal(map[string]string{
		"identification_id": identificationID, "id_number": subject.IDNumber, "secret": subject.Secret,
	})
}

// Point is the hub's public point.
func (hub Hub) Point() ([]byte, error) {
	return hex.DecodeString(hub.PublicKey)
}

// Key is the SM2 key to which licences are sealed for the application.
func (app App) Key() (*sm.PrivateKey, error) {
	return sm.ParsePrivateKey(app.EncryptionKey)
}
