package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"bitbucket-connector/cluster/internal/binaries"
)

// The files of a folder that createPKI filled. One CA signs everything: who may
// talk to this API server is decided by what the server certificate is for.
const (
	caCertificate     = "ca.crt"
	serverCertificate = "server.crt"
	serverKey         = "server.key"
	adminCertificate  = "admin.crt"
	adminKey          = "admin.key"
	managerCert       = "controller-manager.crt"
	managerKey        = "controller-manager.key"
	serviceAccountPub = "service-accounts.pub"
	serviceAccountKey = "service-accounts.key"
)

// serviceRange gives the Service "kubernetes" its address: the range's first.
const (
	serviceRange     = "10.0.0.0/24"
	serviceAddress   = "10.0.0.1"
	certificateLives = 10 * 365 * 24 * time.Hour
)

// ensurePKI makes folder unless it is there. A data folder used again keeps its
// keys: tokens and copies of the CA inside it stay good. The folder appears
// whole or not at all, so a process killed meanwhile leaves no half of it.
func ensurePKI(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), filepath.Base(folder)+".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := createPKI(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, folder)
}

func createPKI(folder string) error {
	ca, err := newCA()
	if err != nil {
		return err
	}
	if err := writePEM(folder, caCertificate, "CERTIFICATE", ca.certificate.Raw); err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceAddress), net.ParseIP(NodeAddress)},
	}
	if err := ca.issue(folder, serverCertificate, serverKey, server); err != nil {
		return err
	}
	// Different names, so that an audit log tells the two apart.
	if err := ca.issue(folder, adminCertificate, adminKey, master("admin")); err != nil {
		return err
	}
	manager := master("system:kube-controller-manager")
	if err := ca.issue(folder, managerCert, managerKey, manager); err != nil {
		return err
	}
	if err := issueForNode(ca, folder); err != nil {
		return err
	}
	return writeServiceAccountKeys(folder)
}

// issueForNode: always, because a folder's keys stay, and the CA's own does not.
func issueForNode(ca *authority, folder string) error {
	kubelet := client("system:node:"+nodeName, "system:nodes")
	// It is a server, too.
	kubelet.ExtKeyUsage = append(kubelet.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	kubelet.DNSNames = []string{nodeName}
	kubelet.IPAddresses = []net.IP{net.ParseIP(NodeAddress)}
	for name, template := range map[string]*x509.Certificate{
		binaries.Kubelet:   kubelet,
		binaries.Proxy:     client("system:kube-proxy"),
		binaries.Scheduler: client("system:kube-scheduler"),
		binaries.CoreDNS:   master("coredns"),
	} {
		if err := ca.issue(folder, name+".crt", name+".key", template); err != nil {
			return err
		}
	}
	return nil
}

// master is a client that RBAC lets do anything.
func master(name string) *x509.Certificate {
	return client(name, "system:masters")
}

func client(name string, groups ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newCA() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "bitbucket-connector test cluster"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := fillIn(template); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

func (ca *authority) issue(folder, certificateFile, keyFile string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := fillIn(template); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		return err
	}
	if err := writePEM(folder, certificateFile, "CERTIFICATE", der); err != nil {
		return err
	}
	return writePrivateKey(folder, keyFile, key)
}

func fillIn(template *x509.Certificate) (err error) {
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	// An hour back: containers and their hosts disagree about the time.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(certificateLives)
	return err
}

func writeServiceAccountKeys(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(folder, serviceAccountPub, "PUBLIC KEY", public); err != nil {
		return err
	}
	return writePrivateKey(folder, serviceAccountKey, key)
}

func writePrivateKey(folder, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(folder, name, "EC PRIVATE KEY", der)
}

func writePEM(folder, name, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return os.WriteFile(filepath.Join(folder, name), text, 0o600)
}
