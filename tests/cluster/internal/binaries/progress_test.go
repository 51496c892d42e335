package binaries

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

const goSays = `go: downloading k8s.io/api v0.36.3
unicode
k8s.io/api/core/v1
# example.com/broken
broken.go:3:1: undefined: x
`

func TestProgressCounts(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, "helm v4")
	// Pipes cut where they like.
	for _, chunk := range []string{goSays[:7], goSays[7:40], goSays[40:]} {
		if n, err := p.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	p.end(nil)
	if got := out.String(); !strings.HasPrefix(got, "building helm v4\n") ||
		!strings.HasSuffix(got, "1 modules downloaded, 2 packages compiled\n") || strings.Contains(got, "undefined") {
		t.Error(got)
	}
}

func TestProgressShowsWhatWentWrong(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, "helm v4")
	_, _ = p.Write([]byte(goSays + "no newline"))
	p.end(errors.New("exit status 1"))
	for _, want := range []string{"broken.go:3:1: undefined: x\n", "no newline\n", "failed", "exit status 1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}
