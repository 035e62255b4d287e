// SPDX-License-Identifier: LGPL-2.1-or-later

//go:build vm

package vm

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// ownBox spares the download of one.
var ownBox = flag.Bool("own-box", false, "with -machine vagrant: the maker is the lab's own disk instead of debian/bookworm64")

// Names that vagrant/Vagrantfile has too.
const (
	vagrantNetwork = "updater-test"
	vagrantVolume  = "updater-test.raw"
	vagrantBytes   = 2 << 30
	vagrantBox     = "debian/bookworm64"
	// maker and machine are its machines; libvirt knows them with the prefix.
	domainPrefix = "updater-test-"
	// vagrantHost is the host in the network.
	vagrantHost = "192.168.153.1"
)

const networkXML = `<network>
  <name>` + vagrantNetwork + `</name>
  <forward mode='nat'/>
  <ip address='` + vagrantHost + `' netmask='255.255.255.0'>
    <dhcp><range start='192.168.153.2' end='192.168.153.254'/></dhcp>
  </ip>
</network>
`

// vagrant runs the machine under libvirt, with vagrant/Vagrantfile.
type vagrant struct {
	// dir has the Vagrantfile and what it names.
	dir string
	// pristine is the disk as vagrant/provision has made it.
	pristine string
	// sshConfig is the file that knows the machine's address.
	sshConfig string
}

func newVagrant(ctx context.Context, work string) (*vagrant, error) {
	v := &vagrant{dir: filepath.Join(work, "vagrant"), pristine: filepath.Join(work, "pristine.raw"), sshConfig: filepath.Join(work, "ssh_config")}
	v.clean(ctx)
	// libvirt's QEMU is not root.
	err := errors.Join(os.Mkdir(v.dir, 0o755), os.Chmod(work, 0o755))
	if err != nil {
		return nil, err
	}
	definition := filepath.Join(v.dir, "network.xml")
	if err := os.WriteFile(definition, []byte(networkXML), 0o644); err != nil {
		return nil, err
	}
	// libvirt's own, which is gone after the next start of the host.
	if _, err := virsh(ctx, "net-create", definition); err != nil {
		return nil, fmt.Errorf("%w: start libvirtd, or run all of it by vagrant/private-libvirt", err)
	}
	return v, nil
}

// clean removes what this or a killed run has left in libvirt.
func (v *vagrant) clean(ctx context.Context) {
	for _, args := range [][]string{
		{"destroy", domainPrefix + "maker"},
		{"undefine", "--nvram", domainPrefix + "maker"},
		{"destroy", domainPrefix + "machine"},
		{"undefine", "--nvram", domainPrefix + "machine"},
		{"vol-delete", "--pool", "default", vagrantVolume},
		{"vol-delete", "--pool", "default", domainPrefix + "maker.img"},
		{"net-destroy", vagrantNetwork},
	} {
		_, _ = virsh(ctx, args...) // most of it is not there
	}
	// Vagrant leaves a copy of each box with libvirt. One that was fetched has a
	// version; ours has none, which is 0.
	volumes, _ := virsh(ctx, "vol-list", "--pool", "default")
	for word := range strings.FieldsSeq(volumes) {
		if strings.HasPrefix(word, "debian-VAGRANTSLASH-bookworm64_vagrant_box_image_0_") {
			_, _ = virsh(ctx, "vol-delete", "--pool", "default", word)
		}
	}
}

func (v *vagrant) Close() error {
	if !*keep {
		v.clean(context.Background())
	}
	return nil
}

func (v *vagrant) network() network {
	return network{host: vagrantHost, listen: vagrantHost, ssh: true}
}

// prepare has the maker make the disk, and the machine boot from it once.
func (v *vagrant) prepare(ctx context.Context, l *lab) error {
	steps := []func(context.Context, *lab) error{v.fill, v.addBox, v.makeDisk, v.makeMachine}
	for _, step := range steps {
		if err := step(ctx, l); err != nil {
			return fmt.Errorf("vagrant: %w", err)
		}
	}
	return nil
}

// fill puts everything beside the Vagrantfile that it names.
func (v *vagrant) fill(ctx context.Context, l *lab) error {
	return all(ctx, [][]string{
		{"cp", "../../vagrant/Vagrantfile", "../../vagrant/provision", l.sshKey(), v.dir},
		{"cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", filepath.Join(v.dir, "machine.fd")},
		l.parts().pack(v.path("parts.tar")),
	})
}

func (v *vagrant) path(name string) string { return filepath.Join(v.dir, name) }

// addBox makes a box of the lab's disk and gives it the name of the one that
// would be fetched.
func (v *vagrant) addBox(ctx context.Context, l *lab) error {
	if !*ownBox {
		return nil
	}
	box := v.path("box")
	settings := fmt.Sprintf(`Vagrant.configure('2') do |config|
  # Of a Linux Vagrant would change /etc/fstab, which it cannot here.
  config.vm.guest = :haiku
  config.ssh.username = 'root'
  config.ssh.private_key_path = %q
  config.ssh.insert_key = false
  config.ssh.sudo_command = '%%c'
  config.vm.provider :libvirt do |libvirt|
    libvirt.machine_type = 'q35'
    libvirt.loader = '/usr/share/OVMF/OVMF_CODE_4M.fd'
    libvirt.nvram = %q
  end
end
`, v.path("key"), v.path("maker.fd"))
	err := errors.Join(
		os.Mkdir(box, 0o755),
		os.WriteFile(filepath.Join(box, "Vagrantfile"), []byte(settings), 0o644),
		os.WriteFile(filepath.Join(box, "metadata.json"), []byte(`{"provider": "libvirt", "format": "qcow2", "virtual_size": 2}`), 0o644),
	)
	if err == nil {
		err = all(ctx, [][]string{
			{"cp", v.path("machine.fd"), v.path("maker.fd")},
			{"qemu-img", "convert", "-O", "qcow2", l.diskPath(), filepath.Join(box, "box.img")},
			{"tar", "--create", "--file=" + v.path("own.box"), "--directory=" + box, "metadata.json", "Vagrantfile", "box.img"},
		})
	}
	if err == nil {
		_, err = v.vagrant(ctx, "box", "add", "--name", vagrantBox, v.path("own.box"))
	}
	return err
}

// vagrant runs the program. With a box of our own its home is ours too.
func (v *vagrant) vagrant(ctx context.Context, args ...string) (string, error) {
	command := []string{"--chdir=" + v.dir}
	if *ownBox {
		command = append(command, "VAGRANT_HOME="+v.path("home"))
	}
	return output(ctx, "env", append(append(command, "vagrant"), args...)...)
}

func (v *vagrant) makeDisk(ctx context.Context, _ *lab) error {
	begin := time.Now()
	if _, err := v.vagrant(ctx, "up", "maker"); err != nil {
		return err
	}
	if _, err := v.vagrant(ctx, "destroy", "--force", "maker"); err != nil {
		return err
	}
	since("vagrant up maker", begin)
	_, err := virsh(ctx, "vol-download", "--pool", "default", "--sparse", vagrantVolume, v.pristine)
	return err
}

// makeMachine boots the machine to learn its address.
func (v *vagrant) makeMachine(ctx context.Context, _ *lab) error {
	if _, err := v.vagrant(ctx, "up", "machine"); err != nil {
		return err
	}
	for limit := time.Now().Add(bootLimit); ; time.Sleep(time.Second) {
		config, err := v.vagrant(ctx, "ssh-config", "machine")
		if err == nil {
			return os.WriteFile(v.sshConfig, []byte(config), 0o644)
		}
		if time.Now().After(limit) {
			return err
		}
	}
}

func (v *vagrant) start(m *machine) {
	m.Helper()
	if err := v.restore(m.Context()); err != nil {
		m.Fatal(err)
	}
	d, err := startDomain(m.Context(), v)
	m.running = d // also one that did not start must be closed
	if err != nil {
		m.Fatal(err)
	}
	m.awaitBoot(runningVersion)
}

// restore brings back disk and variables as they were at the beginning.
func (v *vagrant) restore(ctx context.Context) error {
	_, _ = virsh(ctx, "destroy", domainPrefix+"machine") // it may be off
	_, err := output(ctx, "cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", v.path("machine.fd"))
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"vol-delete", "--pool", "default", vagrantVolume},
		{"vol-create-as", "default", vagrantVolume, fmt.Sprint(vagrantBytes), "--format", "raw", "--allocation", "0"},
		{"vol-upload", "--pool", "default", "--sparse", vagrantVolume, v.pristine},
	} {
		if _, err := virsh(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// domain is the machine while libvirt runs it.
type domain struct {
	port   *sshPort
	link   *link
	events *exec.Cmd
	count  atomic.Int64
	dir    string
}

func startDomain(ctx context.Context, v *vagrant) (*domain, error) {
	d := &domain{dir: v.dir, port: &sshPort{command: []string{
		"ssh", "-F", v.sshConfig, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
		// A guest that was reset does not say so.
		"-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=6",
		"machine", "/usr/libexec/test-agent", "--stdio",
	}}}
	if err := d.countResets(); err != nil {
		return nil, err
	}
	d.link = newLink(d.port)
	_, err := virsh(ctx, "start", domainPrefix+"machine")
	return d, err
}

// countResets has virsh print a line for each.
func (d *domain) countResets() error {
	d.events = exec.Command("virsh", "--connect", libvirtURI, "event", "--domain", domainPrefix+"machine", "--event", "reboot", "--loop")
	d.events.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	lines, err := d.events.StdoutPipe()
	if err == nil {
		err = d.events.Start()
	}
	if err != nil {
		return err
	}
	go func() {
		for scanner := bufio.NewScanner(lines); scanner.Scan(); {
			if strings.HasPrefix(scanner.Text(), "event 'reboot'") {
				d.count.Add(1)
			}
		}
	}()
	return nil
}

func (d *domain) guest() *link    { return d.link }
func (d *domain) console() string { return filepath.Join(d.dir, "console") }
func (d *domain) resets() int64   { return d.count.Load() }

func (d *domain) reset() error {
	_, err := virsh(context.Background(), "reset", domainPrefix+"machine")
	return err
}

// Close switches the machine off.
func (d *domain) Close() error {
	err := errors.Join(d.events.Process.Kill(), d.port.Close())
	_ = d.events.Wait() // was killed
	_, destroyErr := virsh(context.Background(), "destroy", domainPrefix+"machine")
	return errors.Join(err, destroyErr)
}

// libvirtURI is the libvirt of this host.
const libvirtURI = "qemu:///system"

func virsh(ctx context.Context, args ...string) (string, error) {
	return output(ctx, "virsh", append([]string{"--connect", libvirtURI}, args...)...)
}
