package powercut
import ("testing";"os";"time";"path/filepath")
func TestZZ(t *testing.T) {
	dir := "/var/tmp/pc-rec/"
	reqs, err := Read(open(t, dir+"recorded/record"))
	if err != nil { t.Fatal(err) }
	base := open(t, dir+"recorded/base.raw")
	flushes := 0
	begin := -1
	esp := 0
	for i, r := range reqs {
		if r.Flush { flushes++ }
		in := ""
		if r.Sectors > 0 && r.Sector*512 >= 1<<20 && r.Sector*512 < 97<<20 { in = "ESP"; esp++ }
		if r.Sectors > 0 && r.Sector*512 >= 97<<20 && r.Sector*512 < 98<<20 { in = "MDA"; if begin < 0 { begin = i } }
		if os.Getenv("ZZ") != "" && (in != "" || r.Flush|| r.Discard) && i > len(reqs)-2500 { t.Log(i, r.Flush, r.Discard, r.Sector, r.Sectors, in) }
	}
	t.Log(len(reqs), flushes, begin, esp)
	for i := begin; i > 0; i-- { r := reqs[i]; if r.Sectors > 0 && r.Sector*512 >= 1<<20 && r.Sector*512 < 97<<20 { begin = i-20; break } }
	m := Machine{Product: "clipos", Group: "mainvg", Volumes: []string{"core_5.0.0-alpha.1", "core_state"}, Versions: map[string]Release{}}
	for _, v := range []string{"5.0.0-alpha.0", "5.0.0-alpha.1", "5.0.0-alpha.3"} {
		m.Versions[v] = Release{readAll(t, filepath.Join(dir, "webroot/dist", v, "clipos-core")), readAll(t, filepath.Join(dir, "webroot/dist", v, "clipos-efiboot"))}
	}
	mm := NewMachine(m)
	var tally Tally
	start := time.Now()
	rec := Recording{Base: base, Requests: reqs, Begin: begin, Subsets: 40, Seed: 1}
	n := 0
	perEpoch := map[int][3]int{}
	for cut, disk := range rec.States() {
		v := mm.Judge(disk)
		tally.Add(cut, v); n++
		e := perEpoch[cut.Epoch]; e[0]++; if len(v.Faults) > 0 { e[1]++ }; perEpoch[cut.Epoch] = e
		if len(v.Faults) > 0 && v.Faults[0] != LostGroup { t.Log(cut, v.Why) }
	}
	t.Log(&tally, time.Since(start), float64(n)/time.Since(start).Seconds(), len(rec.epochs()))
	for i, e := range rec.epochs() { if perEpoch[i][1] > 0 || true { w := 0; for _, r := range e.writes { w += int(r.Sectors) }; t.Log(i, e.first, len(e.writes), w, perEpoch[i]) } }
}
func TestYY(t *testing.T) {
	reqs, err := Read(open(t, "/var/tmp/pc-rec/recorded/record"))
	if err != nil { t.Fatal(err) }
	for i := 300; i < 440; i++ { r := reqs[i]; if r.Sector < 97*2048 || r.Flush || (i > 320 && i < 326) { t.Log(i, "flush", r.Flush, "disc", r.Discard, r.Sector, r.Sectors) } }
	for _, i := range []int{422,423,425,426,427,428} { t.Logf("%d: %d\n%q", i, reqs[i].Sector, reqs[i].Data[:min(512,len(reqs[i].Data))]) }
}
