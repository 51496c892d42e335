package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestParseStart(t *testing.T) {
	options, err := parseStart([]string{"--dir", "d", "--audit", "--keep"})
	if want := (startOptions{dir: "d", audit: true, keep: true}); err != nil || options != want {
		t.Errorf("%+v, %v", options, err)
	}
}

func TestCalledWrongly(t *testing.T) {
	for call, want := range map[string]string{
		"":                     "no command",
		"run":                  "unknown command",
		"build all":            "no arguments",
		"start":                "needs --dir",
		"start --dir d x":      "does not take",
		"start --dir d --port": "not defined",
		"build --nodes":        "but --node",
		"first":                "for `start --node` alone",
	} {
		err := run(strings.Fields(call))
		var wrong usageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("cluster %s: %v", call, err)
		}
	}
	for _, call := range []string{"help", "--help", "start --help"} {
		if err := run(strings.Fields(call)); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("cluster %s: %v", call, err)
		}
	}
}

func TestAuditNeedsAnOwnCluster(t *testing.T) {
	t.Setenv("USE_EXISTING_CLUSTER", "true")
	if _, err := parseStart([]string{"--audit"}); err == nil || !strings.Contains(err.Error(), "USE_EXISTING_CLUSTER") {
		t.Errorf("--audit: %v", err)
	}
	if _, err := parseStart(nil); err != nil {
		t.Errorf("no --dir: %v", err)
	}
}
