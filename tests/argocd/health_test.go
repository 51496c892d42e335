// The health check of docs/gitops.md, run as Argo CD runs it.
package argocd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func check(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```lua\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/gitops.md has no block of Lua")
	}
	return string(found[1])
}

// health is what the check says of an object that is written as a Lua table.
func health(t *testing.T, script, object string) (status, message string) {
	t.Helper()
	// As Argo CD: no libraries but those that cannot reach outside.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.DoString("obj = " + object + "\n" + script); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("%s: the check gives no table", object)
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func TestEachStateHasItsHealth(t *testing.T) {
	script := check(t)
	condition := func(kind, status, message string) string {
		return "{type = '" + kind + "', status = '" + status + "', message = '" + message + "'}"
	}
	object := func(suspend string, observed string, conditions ...string) string {
		return "{metadata = {generation = 2}, spec = {suspend = " + suspend + "}, status = {observedGeneration = " +
			observed + ", conditions = {" + strings.Join(conditions, ", ") + "}}}"
	}
	good, unknown := condition("Ready", "True", "good"), condition("Ready", "Unknown", "no answer")
	bad, stalled := condition("Ready", "False", "bad"), condition("Stalled", "True", "change it")
	for _, row := range []struct{ what, object, status, message string }{
		{"nobody has looked at it", "{metadata = {generation = 1}, spec = {}}", "Progressing", "Waiting"},
		{"as the API server makes it", "{metadata = {generation = 1}, spec = {}, status = {observedGeneration = -1}}", "Progressing", "Waiting"},
		{"another spec was looked at", object("false", "1", good), "Progressing", "Waiting"},
		{"good", object("false", "2", good), "Healthy", "good"},
		{"somebody must do something", object("false", "2", bad, stalled), "Degraded", "change it"},
		{"an outage that lasts", object("false", "2", bad, condition("Reconciling", "True", "again")), "Degraded", "bad"},
		{"no verdict yet", object("false", "2", unknown), "Progressing", "no answer"},
		{"suspended", object("true", "2", unknown), "Suspended", "suspend"},
		{"suspended while it was bad", object("true", "2", bad, stalled), "Suspended", "suspend"},
		{"no condition", object("false", "2"), "Progressing", "Waiting"},
	} {
		status, message := health(t, script, row.object)
		if status != row.status || !strings.Contains(message, row.message) {
			t.Errorf("%s: %s, %q; expected %s, %q", row.what, status, message, row.status, row.message)
		}
	}
}
