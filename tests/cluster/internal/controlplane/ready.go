package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	// readyWithin is thirty times what it takes, for machines that are busy.
	readyWithin = 2 * time.Minute
)

// adminClient speaks to the API server as the kubeconfig's user does.
func adminClient(l layout) (*http.Client, error) {
	authority, err := os.ReadFile(l.pki(caCertificate))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("no certificate in %s", l.pki(caCertificate))
	}
	admin, err := tls.LoadX509KeyPair(l.pki(adminCertificate), l.pki(adminKey))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			// No Proxy: it would have to be told about loopback.
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}},
		},
	}, nil
}

// waitFor polls until what is called name is ready. It gives up when one of the
// processes ends, since then it never will be.
func waitFor(ctx context.Context, name string, ready func(context.Context) error, processes []*process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, errTooSlow)
	defer cancel()
	var last error
	for {
		last = ready(ctx)
		if last == nil {
			return nil
		}
		for _, process := range processes {
			if err := process.hasEnded(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errTooSlow) {
				return cause
			}
			return fmt.Errorf("%s was not ready within %s: %w", name, readyWithin, last)
		case <-time.After(pollEvery):
		}
	}
}

var errTooSlow = errors.New("too slow")

// read returns the body of an answer with status 200.
func read(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return body, nil
}
