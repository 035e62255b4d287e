// SPDX-License-Identifier: LGPL-2.1-or-later

package dbusapi

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipos/updater/dbusapi/dbustest"
)

const policyFile = "org.clipos.updater1.policy"

// allActions are the actions of the code; the compiler does not list them.
var allActions = []action{
	actionCheck, actionUpdate, actionUpdateToVersion, actionCancel,
	actionRollback, actionHold, actionMarkBoot, actionReload,
}

// A real polkitd with the file of actions that is shipped, and both bus policies,
// on a bus like the system's.
func TestPolkitd(t *testing.T) {
	shipped, err := filepath.Abs("org.clipos.Updater1.conf")
	if err != nil {
		t.Fatal(err)
	}
	bus := dbustest.StartSystem(t, shipped, dbustest.PolkitBusPolicy)
	dbustest.StartPolkit(t, bus, `polkit.addRule(function(action, subject) {
	if (action.id == "org.clipos.updater1.check" && subject.user == "nobody")
		return polkit.Result.YES;
	if (action.id == "org.clipos.updater1.cancel" && subject.user == "nobody")
		return polkit.Result.NO;
	return polkit.Result.NOT_HANDLED;
});`, policyFile)
	c := &fakeController{}
	run(t, newService(t, bus, c))
	call := func(member string, args ...string) []string {
		return append([]string{"call", BusName, Path, Interface, member}, args...)
	}
	const nobody, root, another = dbustest.Nobody, 0, 1
	const person, refused = "somebody has to authorise this", "Access denied"
	const wait, not = "--allow-interactive-authorization=yes", "--allow-interactive-authorization=no"
	for _, tc := range []struct {
		name    string
		uid     uint32
		flag    string
		args    []string
		refusal string
	}{
		{"root", root, not, call("Update", "sa{sv}", "", "0"), ""},
		{"a rule allows it", nobody, not, call("Check", "a{sv}", "0"), ""},
		{"a rule allows it, interactive", nobody, wait, call("Check", "a{sv}", "0"), ""},
		{"a rule forbids it", nobody, wait, call("Cancel", "s", "t9"), refused},
		{"the rule is of another user", another, not, call("Check", "a{sv}", "0"), person},
		{"the rule is of another action", nobody, not, call("Update", "sa{sv}", "", "0"), person},
		{"no agent", nobody, wait, call("Update", "sa{sv}", "", "0"), refused},
		{"no agent, a version", nobody, wait, call("Update", "sa{sv}", "5.0.0", "0"), refused},
	} {
		before := len(c.calls())
		out, complaints, err := bus.Busctl(t, tc.uid, append([]string{tc.flag}, tc.args...)...)
		asked := len(c.calls()) - before
		switch {
		case tc.refusal == "" && (err != nil || asked != 1):
			t.Errorf("%s: %q %q %v", tc.name, out, complaints, err)
		case tc.refusal != "" && (err == nil || asked != 0 || !strings.Contains(complaints, tc.refusal)):
			t.Errorf("%s: %q %q %v, asked %d times", tc.name, out, complaints, err, asked)
		}
	}
}

// A real polkitd knows every action of the code: it is sure of a no, or wants
// somebody to be asked; of an action it does not know it says something else.
func TestPolkitdKnowsTheActions(t *testing.T) {
	bus := dbustest.Start(t)
	dbustest.StartPolkit(t, bus, "", policyFile)
	s := newService(t, bus, &fakeController{})
	s.publishFirst()
	l, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.bus.close()
	c, err := identify(t.Context(), l.bus, bus.ConnectAs(t, dbustest.Nobody).Names()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append(allActions, "nonsense") {
		want := "InteractiveAuthorizationRequired"
		if a == "nonsense" {
			want = "AccessDenied"
		}
		err := s.authoriser.authorise(t.Context(), c, a, false)
		if toBus(err) == nil || toBus(err).Name != standardErrorPrefix+want {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// localized is text in one language, "" for English.
type localized struct {
	Language string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Text     string `xml:",chardata"`
}

// The file of actions against the code and the design.
func TestPolicyFile(t *testing.T) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vendor  string `xml:"vendor"`
		URL     string `xml:"vendor_url"`
		Icon    string `xml:"icon_name"`
		Actions []struct {
			ID           string      `xml:"id,attr"`
			Descriptions []localized `xml:"description"`
			Messages     []localized `xml:"message"`
			Any          string      `xml:"defaults>allow_any"`
			Inactive     string      `xml:"defaults>allow_inactive"`
			Active       string      `xml:"defaults>allow_active"`
		} `xml:"action"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.Vendor == "" || !strings.HasPrefix(file.URL, "https://") || file.Icon == "" {
		t.Errorf("%q %q %q", file.Vendor, file.URL, file.Icon)
	}
	const admin, keep = "auth_admin", "auth_admin_keep"
	defaults := map[action][3]string{
		"check":             {admin, admin, "yes"},
		"update":            {admin, admin, "yes"},
		"cancel":            {admin, admin, "yes"},
		"update-to-version": {admin, admin, keep},
		"rollback":          {admin, admin, keep},
		"hold":              {admin, admin, keep},
		"mark-boot":         {admin, admin, admin},
		"reload":            {admin, admin, admin},
	}
	var listed []action
	for _, a := range file.Actions {
		short, ours := strings.CutPrefix(a.ID, polkitActions)
		listed = append(listed, action(short))
		want, known := defaults[action(short)]
		if got := [3]string{a.Any, a.Inactive, a.Active}; !ours || !known || got != want {
			t.Errorf("%s: %q, want %q", a.ID, got, want)
		}
		for _, texts := range [][]localized{a.Descriptions, a.Messages} {
			if len(texts) != 2 || texts[0].Language != "" || texts[1].Language != "fr" ||
				len(texts[0].Text) < 10 || len(texts[1].Text) < 10 || texts[0].Text == texts[1].Text {
				t.Errorf("%s: %+v", a.ID, texts)
			}
		}
	}
	slices.Sort(listed)
	if want := slices.Sorted(slices.Values(allActions)); !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
}

// polkit's own grammar for the file of actions.
func TestPolicyFileIsValid(t *testing.T) {
	const grammar = "/usr/share/polkit-1/policyconfig-1.dtd"
	out, err := exec.Command("/usr/bin/xmllint", "--nonet", "--noout", "--dtdvalid", grammar, policyFile).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (Debian packages libxml2-utils, polkitd): %s", err, out)
	}
}
