package controlplane

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func newPKI(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "pki")
	if err := ensurePKI(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

func load(t *testing.T, folder, certificate, key string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, certificate), filepath.Join(folder, key))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func roots(t *testing.T, folder string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(folder, caCertificate))
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal("no CA", err)
	}
	return pool
}

func TestServerCertificate(t *testing.T) {
	folder := newPKI(t)
	server := load(t, folder, serverCertificate, serverKey)
	for _, name := range []string{"127.0.0.1", "localhost", "10.0.0.1", NodeAddress, "kubernetes.default.svc"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots(t, folder), DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := server.Verify(x509.VerifyOptions{Roots: roots(t, newPKI(t))}); err == nil {
		t.Error("another cluster's CA vouches for it")
	}
}

func TestANodeIsWhoItSays(t *testing.T) {
	folder := newPKI(t)
	kubelet := load(t, folder, "kubelet.crt", "kubelet.key")
	// The Node authorizer goes by both.
	if kubelet.Subject.CommonName != "system:node:node" || !slices.Equal(kubelet.Subject.Organization, []string{"system:nodes"}) {
		t.Errorf("the kubelet is %s", kubelet.Subject)
	}
	if _, err := kubelet.Verify(x509.VerifyOptions{Roots: roots(t, folder), DNSName: NodeAddress}); err != nil {
		t.Errorf("as a server: %v", err)
	}
	for _, name := range []string{"kubelet", "kube-proxy", "kube-scheduler", "coredns"} {
		one := load(t, folder, name+".crt", name+".key")
		options := x509.VerifyOptions{Roots: roots(t, folder), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := one.Verify(options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	folder := newPKI(t)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, pair := range [][2]string{{adminCertificate, adminKey}, {managerCert, managerKey}} {
		client := load(t, folder, pair[0], pair[1])
		if !slices.Equal(client.Subject.Organization, []string{"system:masters"}) {
			t.Errorf("%s: organization %v", pair[0], client.Subject.Organization)
		}
		if _, err := client.Verify(x509.VerifyOptions{Roots: roots(t, folder), KeyUsages: usage}); err != nil {
			t.Errorf("%s: %v", pair[0], err)
		}
	}
}

func TestServiceAccountKeysAreAPair(t *testing.T) {
	folder := newPKI(t)
	private := decode(t, folder, serviceAccountKey, "EC PRIVATE KEY")
	key, err := x509.ParseECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(decode(t, folder, serviceAccountPub, "PUBLIC KEY"))
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(public.(*ecdsa.PublicKey)) {
		t.Error("not a pair")
	}
}

func decode(t *testing.T, folder, name, kind string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		t.Fatalf("%s is no %s", name, kind)
	}
	return block.Bytes
}

func TestPKIIsKept(t *testing.T) {
	folder := newPKI(t)
	before := load(t, folder, adminCertificate, adminKey)
	if err := ensurePKI(folder); err != nil {
		t.Fatal(err)
	}
	if !before.Equal(load(t, folder, adminCertificate, adminKey)) {
		t.Error("made anew: tokens in the data would be void")
	}
	if left, _ := filepath.Glob(folder + ".tmp-*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestKubeconfig(t *testing.T) {
	pki := newPKI(t)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	// What was there before must not lend it its mode.
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfig(path, "https://127.0.0.1:1", pki, adminCertificate, adminKey, "admin"); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	text, _ := os.ReadFile(path)
	for field, file := range map[string]string{
		"certificate-authority-data": caCertificate,
		"client-certificate-data":    adminCertificate,
		"client-key-data":            adminKey,
	} {
		found := regexp.MustCompile(`(?m)^ +` + field + `: (\S+)$`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("no %s in\n%s", field, text)
		}
		data, err := base64.StdEncoding.DecodeString(string(found[1]))
		want, _ := os.ReadFile(filepath.Join(pki, file))
		if err != nil || string(data) != string(want) {
			t.Errorf("%s is not %s", field, file)
		}
	}
	if !regexp.MustCompile(`(?m)^ +server: https://127\.0\.0\.1:1$`).Match(text) {
		t.Errorf("no server in\n%s", text)
	}
}
