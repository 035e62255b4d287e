package dbusapi
import ("testing";"net";"errors";"time";"log/slog";"os";"github.com/clipos/updater/dbusapi/dbustest";"github.com/godbus/dbus/v5")
func TestZStall(t *testing.T) {
	bus := dbustest.StartWith(t, dbustest.Open+`<limit name="max_outgoing_bytes">2000000</limit><limit name="max_incoming_bytes">200000</limit>`)
	s := newService(t, bus, &fakeController{})
	s.options.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	run(t, s)
	path, _ := socketPath(bus.Address)
	socket, _ := net.Dial("unix", path)
	deaf := &deafConn{Conn: socket, ended: make(chan struct{})}
	t.Cleanup(func() { close(deaf.ended) })
	conn, _ := dbus.NewConn(deaf)
	t.Cleanup(func() { conn.Close() })
	if err := errors.Join(conn.Auth(nil), conn.Hello()); err != nil { t.Fatal(err) }
	deaf.deaf.Store(true)
	object := conn.Object(BusName, Path)
	for range 2000 {
		object.Go(propertiesInterface+".GetAll", 0, make(chan *dbus.Call, 1), Interface)
	}
	client := newClient(t, bus)
	t0 := time.Now()
	for i := range 5 {
		_, err := client.Overview(t.Context())
		t.Log(i, time.Since(t0), err)
	}
	time.Sleep(3*time.Second)
		_, err := client.Overview(t.Context())
		t.Log(time.Since(t0), err)
}
