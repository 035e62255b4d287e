// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/clipos/updater/cmd/updater-release/internal/channels"
)

const document = "/update/v1/clipos/version"

// machineIDs are always the same.
func machineIDs(n int) []string {
	r := rand.New(rand.NewPCG(3, 4))
	ids := make([]string, n)
	for i := range ids {
		id := binary.BigEndian.AppendUint64(nil, r.Uint64())
		ids[i] = hex.EncodeToString(binary.BigEndian.AppendUint64(id, r.Uint64()))
	}
	return ids
}

func machineHeader(id string) http.Header { return http.Header{"Clipos-Machineid": {id}} }

// offers asks for every machine, over one connection after the other.
func (r *replica) offers(ids []string) []string {
	r.t.Helper()
	client := r.client()
	offered := make([]string, len(ids))
	var wait sync.WaitGroup
	for first := range 8 {
		wait.Go(func() {
			for i := first; i < len(ids); i += 8 {
				offered[i] = r.ask(client, http.MethodGet, document, machineHeader(ids[i])).body
			}
		})
	}
	wait.Wait()
	return offered
}

func staged(percent int) string {
	return fmt.Sprintf("product = \"clipos\"\n[channel.stable]\nversion = \"5.1.0\"\npercent = %d\nprevious = \"5.0.0\"\n", percent)
}

// TestNginxStages: nginx gives as many machines as it should the new version,
// the same ones as package channels says, whichever server is asked; and more
// of them never takes it from one.
func TestNginxStages(t *testing.T) {
	root, ids := webRoot(t, "5.0.0", "5.1.0"), machineIDs(10_000)
	had := make([]bool, len(ids))
	for _, percent := range []int{0, 3, 10, 50, 99} {
		file, err := channels.Parse("channels.toml", []byte(staged(percent)))
		if err != nil {
			t.Fatal(err)
		}
		stable, _ := file.Channel(channels.Stable)
		asked := ids
		if percent != 10 && percent != 50 {
			asked = ids[:1000]
		}
		count := 0
		for i, answer := range startReplica(t, root, staged(percent)).offers(asked) {
			want := stable.Offers(ids[i]).String()
			if answer != fmt.Sprintf("version = %q\n", want) {
				t.Fatalf("%d %%: machine %s is offered %q, want %s", percent, ids[i], answer, want)
			}
			has := want == "5.1.0"
			if had[i] && !has {
				t.Errorf("%d %%: machine %s has lost the version", percent, ids[i])
			}
			had[i] = has
			if has {
				count++
			}
		}
		if share := float64(count) / float64(len(asked)) * 100; share < float64(percent)-1 || share > float64(percent)+1 {
			t.Errorf("%d of %d machines are offered the version, want %d %%", count, len(asked), percent)
		}
	}
}

// TestNginxHashes: the hash takes four bytes at a time, and what is left over.
func TestNginxHashes(t *testing.T) {
	ids := machineIDs(100)
	for _, version := range []string{"5.1.0", "5.1.10", "5.1.100", "5.1.0-a1"} {
		text := strings.ReplaceAll(staged(50), "5.1.0", version)
		file, err := channels.Parse("channels.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		stable, _ := file.Channel(channels.Stable)
		for i, answer := range startReplica(t, webRoot(t, "5.0.0", version), text).offers(ids) {
			if want := stable.Offers(ids[i]).String(); answer != fmt.Sprintf("version = %q\n", want) {
				t.Errorf("machine %s is offered %q, want %s", ids[i], answer, want)
			}
		}
	}
}

func TestNginxReplicasAgree(t *testing.T) {
	root, ids := webRoot(t, "5.0.0", "5.1.0"), machineIDs(1000)
	a, b := startReplica(t, root, staged(30)), startReplica(t, root, staged(30))
	atA, atB := a.offers(ids), b.offers(ids)
	for i, id := range ids {
		if atA[i] != atB[i] {
			t.Errorf("machine %s: %q and %q", id, atA[i], atB[i])
		}
	}
	// What was fetched in part from one is completed from the other.
	headA := a.ask(a.client(), http.MethodHead, "/dist/5.1.0/clipos-core", nil)
	headB := b.ask(b.client(), http.MethodHead, "/dist/5.1.0/clipos-core", nil)
	if tag := headA.header.Get("ETag"); tag == "" || tag != headB.header.Get("ETag") {
		t.Errorf("validators %q and %q", tag, headB.header.Get("ETag"))
	}
}

const fewChannels = `product = "clipos"
[channel.stable]
version = "5.1.0"
percent = 0
previous = "5.0.0"
[channel.beta-two]
machines = ["0123456789abcdef0123456789abcdef"]
version = "5.2.0-beta.1"
percent = 100
[channel.missing]
machines = ["fedcba9876543210fedcba9876543210"]
version = "9.9.9"
# Names that mean something to nginx.
[channel.default]
machines = ["00000000000000000000000000000001"]
version = "5.0.1"
[channel.include]
machines = ["00000000000000000000000000000002"]
version = "5.0.2"
[channel.volatile]
machines = ["00000000000000000000000000000003"]
version = "5.0.3"
[channel.hostnames]
machines = ["00000000000000000000000000000004"]
version = "5.0.4"
`

func fewWebRoot(t *testing.T) string {
	return webRoot(t, "5.0.0", "5.1.0", "5.2.0-beta.1", "5.0.1", "5.0.2", "5.0.3", "5.0.4")
}

func TestNginxChannels(t *testing.T) {
	r := startReplica(t, fewWebRoot(t), fewChannels)
	client := r.client()
	for _, c := range []struct{ name, machine, want string }{
		{"listed", "0123456789abcdef0123456789abcdef", "5.2.0-beta.1"},
		{"listed, capital letters", "0123456789ABCDEF0123456789abcdef", "5.2.0-beta.1"},
		{"not listed", "1123456789abcdef0123456789abcdef", "5.0.0"},
		{"release not there yet", "fedcba9876543210fedcba9876543210", "5.0.0"},
		{"channel default", "00000000000000000000000000000001", "5.0.1"},
		{"channel include", "00000000000000000000000000000002", "5.0.2"},
		{"channel volatile", "00000000000000000000000000000003", "5.0.3"},
		{"channel hostnames", "00000000000000000000000000000004", "5.0.4"},
		{"empty", "", "5.0.0"},
		{"a digit less", "0123456789abcdef0123456789abcde", "5.0.0"},
		{"a digit more", "0123456789abcdef0123456789abcdef0", "5.0.0"},
		{"a channel", "beta-two", "5.0.0"},
		{"a variable", "$updater_channel", "5.0.0"},
		{"a path", "../../../../etc/passwd", "5.0.0"},
		{"long", strings.Repeat("f", 4000), "5.0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.ask(client, http.MethodGet, document, machineHeader(c.machine))
			if got.status != http.StatusOK || got.body != fmt.Sprintf("version = %q\n", c.want) {
				t.Errorf("status %d, %q, want %s", got.status, got.body, c.want)
			}
		})
	}
	t.Run("no header", func(t *testing.T) {
		if got := r.ask(client, http.MethodGet, document, nil); got.body != "version = \"5.0.0\"\n" {
			t.Error(got.body)
		}
	})
}

// TestNginxCaches: what differs by machine is in no cache, what never changes
// is in every one.
func TestNginxCaches(t *testing.T) {
	r := startReplica(t, fewWebRoot(t), fewChannels)
	client := r.client()
	for _, c := range []struct {
		name, method, path string
		header             http.Header
		status             int
		want               map[string]string
	}{
		{"document", http.MethodGet, document, nil, 200, map[string]string{
			"Cache-Control": "private, no-store", "Vary": "clipos-machineid", "Content-Type": "text/plain",
			"Etag": "", "Last-Modified": "", "Accept-Ranges": "", "Content-Encoding": "",
		}},
		{"document, asked again", http.MethodGet, document, http.Header{
			"If-None-Match": {"*"}, "If-Modified-Since": {"Fri, 01 Jan 2100 00:00:00 GMT"}, "Range": {"bytes=0-3"},
		}, 200, map[string]string{"Etag": ""}},
		{"static document", http.MethodGet, document, machineHeader("fedcba9876543210fedcba9876543210"), 200, map[string]string{
			"Cache-Control": "private, no-store", "Vary": "clipos-machineid", "Etag": "", "Last-Modified": "",
		}},
		{"static document, part", http.MethodGet, document, http.Header{
			"Clipos-Machineid": {"fedcba9876543210fedcba9876543210"}, "Range": {"bytes=0-3"},
		}, 200, nil},
		{"static document, asked again", http.MethodGet, document, http.Header{
			"Clipos-Machineid": {"fedcba9876543210fedcba9876543210"}, "If-Modified-Since": {webRootTime.Format(http.TimeFormat)},
		}, 200, nil},
		{"another product's document", http.MethodGet, "/update/v1/other/version", nil, 404, nil},
		{"payload", http.MethodGet, "/dist/5.1.0/clipos-core", http.Header{"Accept-Encoding": {"gzip"}}, 200, map[string]string{
			"Cache-Control": "public, max-age=31536000, immutable", "Vary": "", "Content-Type": "application/octet-stream",
			"Accept-Ranges": "bytes", "Content-Encoding": "",
		}},
		{"part of a payload", http.MethodGet, "/dist/5.1.0/clipos-core", http.Header{"Range": {"bytes=5-9"}}, 206, map[string]string{
			"Content-Range": "bytes 5-9/5000", "Cache-Control": "public, max-age=31536000, immutable",
		}},
		{"signature", http.MethodGet, "/dist/5.1.0/clipos-efiboot.sig", nil, 200, map[string]string{"Cache-Control": "public, max-age=300"}},
		{"missing payload", http.MethodGet, "/dist/5.1.0/clipos-efiboot", nil, 404, map[string]string{"Cache-Control": ""}},
		{"folder", http.MethodGet, "/dist/5.1.0/", nil, 403, nil},
		{"outside", http.MethodGet, "/channels.toml", nil, 404, nil},
		{"outside by dots", http.MethodGet, "/dist/../../nginx.conf", nil, 400, nil},
		{"writing", http.MethodPut, "/dist/5.1.0/clipos-core", nil, 405, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.ask(client, c.method, c.path, c.header)
			if got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			for name, want := range c.want {
				if value := got.header.Get(name); value != want {
					t.Errorf("%s is %q, want %q", name, value, want)
				}
			}
			if got.protocol != "HTTP/2.0" {
				t.Errorf("protocol %s", got.protocol)
			}
		})
	}
}

func TestNginxTLS(t *testing.T) {
	r := startReplica(t, fewWebRoot(t), fewChannels)
	for _, c := range []struct {
		name     string
		version  uint16
		protocol string
		works    bool
	}{
		{"1.1", tls.VersionTLS11, "http/1.1", false},
		{"1.2", tls.VersionTLS12, "http/1.1", true},
		{"1.3", tls.VersionTLS13, "http/1.1", true},
		{"1.3 and HTTP/2", tls.VersionTLS13, "h2", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := r.tls()
			config.MinVersion, config.MaxVersion, config.NextProtos = c.version, c.version, []string{c.protocol}
			connection, err := tls.Dial("tcp", r.Address, config)
			if !c.works {
				// Only the server's alert is meant, and no other failure.
				if err == nil || !strings.Contains(err.Error(), "remote error: tls: protocol version not supported") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if state := connection.ConnectionState(); state.Version != c.version || state.NegotiatedProtocol != c.protocol {
				t.Errorf("version %x, protocol %q", state.Version, state.NegotiatedProtocol)
			}
		})
	}
}

// TestNginxLog sends what an HTTP library would not: whatever it is, it makes
// one line, which fleet understands, and it is not believed.
func TestNginxLog(t *testing.T) {
	r := startReplica(t, fewWebRoot(t), fewChannels)
	hostile := []string{
		`"`, `\`, `\"`, `","machine":"0123456789abcdef0123456789abcdef","x":"`, "\x01\x02\x1b[2J", "\x7f", "\xff\xfe", "\u2028", "é",
		"5.0.0\x00", "5.0.0\t", "<script>alert(1)</script>", "$updater_machine", strings.Repeat("5", 65), strings.Repeat("x", 7000),
	}
	requests := 0
	send := func(text string) {
		requests++
		connection, err := tls.Dial("tcp", r.Address, r.tls())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprint(connection, text)
		// The answer's end comes after the line.
		for buffer := make([]byte, 4096); err == nil; {
			_, err = connection.Read(buffer)
		}
	}
	for _, h := range hostile {
		for _, name := range []string{"clipos-machineid", "clipos-version"} {
			send("GET " + document + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + name + ": " + h + "\r\n\r\n")
		}
		send("GET /" + h + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	}
	send(`"} {"machine":"0123456789abcdef0123456789abcdef"` + "\r\n\r\n")
	send("GET " + document + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nclipos-machineid: 0123456789abcdef0123456789abcdef\r\nclipos-version: 5.0.0+instrumented\r\n\r\n")
	log, err := os.ReadFile(r.AccessLog)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || len(fields) != 9 {
			t.Errorf("%v: %q", err, line)
		}
	}
	if n := strings.Count(string(log), "\n"); n != requests {
		t.Errorf("%d lines of %d requests", n, requests)
	}
	status, out, stderr := runProgram(t, string(log), "--json", "fleet", "-")
	var report struct {
		Versions []struct {
			Version  string
			Machines int
			Channels map[string]int
		}
		Requests map[string]int
	}
	if err := json.Unmarshal([]byte(out), &report); status != exitOK || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	if len(report.Versions) != 1 || report.Versions[0].Version != "5.0.0" || report.Versions[0].Channels["beta-two"] != 1 ||
		report.Requests["anonymous"] != requests-1 || report.Requests["damaged_lines"] != 0 {
		t.Errorf("%+v", report)
	}
}

// TestNginxTakesThousandsOfMachines: without as much as a warning.
func TestNginxTakesThousandsOfMachines(t *testing.T) {
	ids := machineIDs(20_000)
	text := fewChannels + "[channel.many]\nmachines = [\"" + strings.Join(ids, "\",\n\"") + "\"]\nversion = \"5.1.0\"\n"
	root := fewWebRoot(t)
	r := startReplica(t, root, text)
	output, err := r.Check(r.configuration(root, text))
	if err != nil || strings.Contains(output, "[warn]") {
		t.Errorf("%v: %s", err, output)
	}
	client := r.client()
	for _, id := range []string{ids[0], ids[9_999], ids[19_999]} {
		if got := r.ask(client, http.MethodGet, document, machineHeader(id)); got.body != "version = \"5.1.0\"\n" {
			t.Errorf("machine %s: %q", id, got.body)
		}
	}
}

// TestFirstMachinesDiffer: who is among the first of one release is among the
// first of the next as seldom as chance wants it.
func TestFirstMachinesDiffer(t *testing.T) {
	ids := machineIDs(10_000)
	first := func(version string) map[string]bool {
		text := strings.ReplaceAll(staged(10), "5.1.0", version)
		file, err := channels.Parse("channels.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		stable, _ := file.Channel(channels.Stable)
		set := map[string]bool{}
		for _, id := range ids {
			if stable.Offers(id).String() == version {
				set[id] = true
			}
		}
		return set
	}
	for _, pair := range [][2]string{{"5.1.0", "5.1.1"}, {"5.1.0", "5.2.0"}, {"5.1.9", "5.1.10"}, {"6.0.0-rc.1", "6.0.0-rc.2"}} {
		a, b := first(pair[0]), first(pair[1])
		both := 0
		for id := range a {
			if b[id] {
				both++
			}
		}
		if both < 60 || both > 140 {
			t.Errorf("%v: %d of %d machines are in both tenths, want about 100", pair, both, len(ids))
		}
	}
}
